/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "vmguard/disks.h"

/* The actions of one transaction: a snapshot inside each disk that has them inside; without_rbd:
 * but for RBD images. */
struct json_object *transaction_of(const struct disk_list *list, bool without_rbd);
