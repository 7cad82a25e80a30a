/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/definition.h"

#include <string.h>

#include "unit.h"

#define ARGUMENTS                             \
	"    <qemu:arg value='-incoming'/>\n" \
	"    <qemu:arg value='defer'/>\n"
#define HEAD "<domain type='kvm' id='3'>\n  <name>web</name>\n  <uuid>1-2</uuid>\n"

static void becomes(const char *xml, const char *expected)
{
	char *text = definition_clean(xml);

	ck_assert_str_eq(text, expected);
	free(text);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

START_TEST(finds_a_value)
{
	char value[8];

	ck_assert(definition_value(HEAD "</domain>", "name", value, sizeof(value)));
	ck_assert_str_eq(value, "web");
	ck_assert(definition_value(HEAD "</domain>", "uuid", value, sizeof(value)));
	ck_assert_str_eq(value, "1-2");
	ck_assert(!definition_value(HEAD "</domain>", "title", value, sizeof(value)));
	ck_assert(!definition_value(HEAD "</domain>", "name", value, 3));
	ck_assert(!definition_value("<name>web", "name", value, sizeof(value)));
}
END_TEST

START_TEST(leaves_a_definition_without_arguments_alone)
{
	becomes(HEAD "</domain>\n", HEAD "</domain>\n");
}
END_TEST

START_TEST(takes_the_arguments_out_with_their_element)
{
	becomes(HEAD "  <qemu:commandline>\n" ARGUMENTS "  </qemu:commandline>\n</domain>\n",
		HEAD "  </domain>\n");
	becomes(HEAD "  <qemu:commandline>\n" ARGUMENTS ARGUMENTS
		     "  </qemu:commandline>\n</domain>\n",
		HEAD "  </domain>\n");
}
END_TEST

START_TEST(leaves_the_arguments_of_others)
{
	const char *others = HEAD "<qemu:commandline>\n    <qemu:arg value='-s'/>\n"
				  "    <qemu:arg value='-incoming'/>\n"
				  "    <qemu:arg value='tcp:0:1'/>\n"
				  "</qemu:commandline></domain>";

	becomes(others, others);
	becomes(HEAD "<qemu:commandline>\n    <qemu:arg value='-s'/>\n" ARGUMENTS
		     "    <qemu:arg value='-S'/>\n</qemu:commandline></domain>",
		HEAD "<qemu:commandline>\n    <qemu:arg value='-s'/>\n"
		     "    <qemu:arg value='-S'/>\n</qemu:commandline></domain>");
}
END_TEST

START_TEST(waits_once)
{
	char *fresh = definition_that_waits(HEAD "</domain>\n");
	char *left = definition_that_waits(HEAD "  <qemu:commandline>\n" ARGUMENTS
						"  </qemu:commandline>\n</domain>\n");

	ck_assert_uint_eq(count(fresh, "'-incoming'"), 1);
	ck_assert_uint_eq(count(left, "'-incoming'"), 1);
	ck_assert_ptr_nonnull(strstr(fresh, "</qemu:commandline></domain>\n"));
	free(fresh);
	free(left);
}
END_TEST

START_TEST(refuses_what_is_no_domain)
{
	ck_assert_ptr_null(definition_that_waits("<network/>"));
	ck_assert_ptr_null(definition_that_waits(""));
}
END_TEST

UNIT_MAIN("incoming", finds_a_value, leaves_a_definition_without_arguments_alone,
	  takes_the_arguments_out_with_their_element, leaves_the_arguments_of_others, waits_once,
	  refuses_what_is_no_domain)
