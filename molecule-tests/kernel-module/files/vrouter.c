// SPDX-License-Identifier: GPL-2.0
// Stands in for the vRouter's module where only its loading is tested.
#include <linux/init.h>
#include <linux/module.h>

static int flows = 1;
module_param(flows, int, 0444);
MODULE_PARM_DESC(flows, "how many flows there is room for");

static int __init vrouter_init(void) { return 0; }
static void __exit vrouter_exit(void) {}

module_init(vrouter_init);
module_exit(vrouter_exit);
MODULE_DESCRIPTION("stand-in for the vRouter");
MODULE_LICENSE("GPL");
MODULE_VERSION("3.0");
