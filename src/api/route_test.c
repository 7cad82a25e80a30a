/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/route.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

static const struct api_route routes[] = {
	{"GET", "/", NULL},
	{"GET", "/v1/guests", "limit,after"},
	{"GET", "/v1/guests/{name}", NULL},
	{"PATCH", "/v1/guests/{name}", NULL},
	{"GET", "/v1/guests/{name}/checkpoints/{number}", NULL},
	{"POST", "/v1/operations", NULL},
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static struct target target;
static struct fault fault;

static const struct api_route *find(const char *method, const char *sent)
{
	target_free(&target);
	ck_assert_int_eq(target_read(sent, &target, &fault), 0);
	return route_find(routes, ROUTES, &target, method);
}

static const char *methods_of(const char *sent)
{
	static char methods[ROUTE_METHODS_BYTES];

	find("NONE", sent);
	route_methods(routes, ROUTES, &target, methods);
	return methods;
}

START_TEST(finds_the_row_of_an_address)
{
	ck_assert_ptr_eq(find("GET", "/"), &routes[0]);
	ck_assert_ptr_eq(find("GET", "/v1/guests"), &routes[1]);
	ck_assert_ptr_eq(find("GET", "/v1/guests/web%201"), &routes[2]);
	ck_assert_str_eq(route_param(&routes[2], &target, "name"), "web 1");
	ck_assert_ptr_null(route_param(&routes[2], &target, "nam"));
	ck_assert_ptr_eq(find("PATCH", "/v1/guests/web1"), &routes[3]);
	ck_assert_ptr_eq(find("GET", "/v1/guests/web1/checkpoints/42"), &routes[4]);
	ck_assert_str_eq(route_param(&routes[4], &target, "number"), "42");
	ck_assert_ptr_eq(find("HEAD", "/v1/guests"), &routes[1]);
	ck_assert_ptr_null(find("HEAD", "/v1/operations"));
	ck_assert_ptr_null(find("GET", "/v1/guests/"));
	ck_assert_ptr_null(find("GET", "/v1"));
	ck_assert_ptr_null(find("GET", "/v1/guestsx"));
	ck_assert_ptr_null(find("GET", "/v1/guests/a/b"));
	ck_assert_ptr_null(find("get", "/v1/guests"));
	target_free(&target);
}
END_TEST

START_TEST(says_how_an_address_can_be_asked)
{
	ck_assert_str_eq(methods_of("/v1/guests/web1"), "GET, HEAD, PATCH, OPTIONS");
	ck_assert_str_eq(methods_of("/v1/operations"), "POST, OPTIONS");
	ck_assert_str_eq(methods_of("/nothing"), "");
	ck_assert_str_eq(methods_of("*"), "GET, HEAD, PATCH, POST, OPTIONS");
	target_free(&target);
}
END_TEST

START_TEST(names_a_parameter_that_is_unknown)
{
	find("GET", "/v1/guests?after=3&limit=1");
	ck_assert_int_eq(route_check_query(&routes[1], &target, &fault), 0);
	find("GET", "/v1/guests?lim=1");
	ck_assert_int_eq(route_check_query(&routes[1], &target, &fault), -EINVAL);
	ck_assert_str_eq(fault.text,
			 "\"lim\" behind the ? is unknown here; there may be limit,after");
	find("GET", "/?limit=1");
	ck_assert_int_eq(route_check_query(&routes[0], &target, &fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "there may be nothing"));
	target_free(&target);
}
END_TEST

UNIT_MAIN("api/route", finds_the_row_of_an_address, says_how_an_address_can_be_asked,
	  names_a_parameter_that_is_unknown)
