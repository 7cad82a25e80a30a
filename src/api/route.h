/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which row of the table an address belongs to. Pure. */
#pragma once

#include "api/target.h"
#include "vmguard/api.h"

enum { ROUTE_METHODS_BYTES = 64 };

/* Whether a row's path is this address. */
bool route_is_at(const struct api_route *route, const struct target *t);
/* The segment that the row's path calls so, or NULL. */
const char *route_param(const struct api_route *route, const struct target *t, const char *name);

/* NULL: there is no row of this path, or none with this method; route_methods() tells which. */
const struct api_route *route_find(const struct api_route *routes, size_t count,
				   const struct target *t, const char *method);

/* What the path can be asked, for Allow: "GET, HEAD, OPTIONS". "": there is no such path. */
void route_methods(const struct api_route *routes, size_t count, const struct target *t,
		   char methods[ROUTE_METHODS_BYTES]);

/* -EINVAL names what stands behind the ? and should not. */
int route_check_query(const struct api_route *route, const struct target *t, struct fault *f);
