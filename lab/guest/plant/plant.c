// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * A module with planted faults, for tests of the lab: `echo NAME >/sys/module/plant/parameters/fault`
 * commits one. The lab must find the kernel's report of it.
 */
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>

/* The compiler must not see through what happens to it. */
static char *volatile object;
static volatile int number = 40;

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);
static DECLARE_COMPLETION(done);

static int fault_warning(void)
{
	WARN(1, "plant: a warning\n");
	return 0;
}

static int fault_bug(void)
{
	BUG();
	return 0;
}

static int fault_oops(void)
{
	object = NULL;
	*object = 1;
	return 0;
}

static int fault_panic(void)
{
	panic("plant: a panic");
	return 0;
}

/* The holder of the mutex goes back to user space with it. */
static int fault_missing_unlock(void)
{
	mutex_lock(&first);
	return 0;
}

/* The first mutex is taken before the second, and then the second before the first. */
static int fault_lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

/* Takes a mutex, which may sleep, below a spinlock. */
static int fault_sleep_in_atomic(void)
{
	spin_lock(&spin);
	mutex_lock(&first);
	mutex_unlock(&first);
	spin_unlock(&spin);
	return 0;
}

/* Sleeps where only code that does not sleep may run. Every kernel notices, with or without its checks. */
static int fault_schedule_in_atomic(void)
{
	local_bh_disable();
	schedule_timeout_uninterruptible(1);
	local_bh_enable();
	return 0;
}

static int fault_use_after_free(void)
{
	object = kmalloc(64, GFP_KERNEL);
	if (!object)
		return -ENOMEM;
	kfree(object);
	return object[8] == 1;
}

/* The byte behind an object. */
static int fault_overflow(void)
{
	object = kmalloc(64, GFP_KERNEL);
	if (!object)
		return -ENOMEM;
	object[64] = 1;
	kfree(object);
	return 0;
}

/* Objects whose addresses nobody keeps. Of several, one address may stay on a stack. */
static int fault_leak(void)
{
	int count;

	for (count = 0; count < 16; count++) {
		object = kmalloc(200, GFP_KERNEL);
		if (!object)
			return -ENOMEM;
		memset(object, 0x5a, 200);
	}
	object = NULL;
	return 0;
}

static int fault_refcount(void)
{
	refcount_t references = REFCOUNT_INIT(1);

	if (!refcount_dec_and_test(&references))
		return 0;
	refcount_inc(&references);
	return 0;
}

static int fault_list(void)
{
	static LIST_HEAD(list);
	static struct list_head item;

	list_add(&item, &list);
	list_add(&item, &list);
	return 0;
}

static int fault_shift(void)
{
	return (1 << number) == 3;
}

static int sleeper(void *unused)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule();
	return 0;
}

/* A task that waits for something that does not come. */
static int fault_hung_task(void)
{
	return PTR_ERR_OR_ZERO(kthread_run(sleeper, NULL, "plant-sleeper"));
}

/*
 * Keeps the processor, so that a grace period of RCU does not end. RCU only reports a grace period that
 * has begun, so one is asked for, and its thread gets a moment to begin it.
 */
static int fault_stall(void)
{
	unsigned long end;

	start_poll_synchronize_rcu();
	usleep_range(100, 200);
	preempt_disable();
	end = jiffies + 12 * HZ;
	while (time_before(jiffies, end))
		cpu_relax();
	preempt_enable();
	return 0;
}

static const struct {
	const char *name;
	int (*commit)(void);
} faults[] = {
	{ "warning", fault_warning },
	{ "bug", fault_bug },
	{ "oops", fault_oops },
	{ "panic", fault_panic },
	{ "missing-unlock", fault_missing_unlock },
	{ "lock-order", fault_lock_order },
	{ "sleep-in-atomic", fault_sleep_in_atomic },
	{ "schedule-in-atomic", fault_schedule_in_atomic },
	{ "use-after-free", fault_use_after_free },
	{ "overflow", fault_overflow },
	{ "leak", fault_leak },
	{ "refcount", fault_refcount },
	{ "list", fault_list },
	{ "shift", fault_shift },
	{ "hung-task", fault_hung_task },
	{ "stall", fault_stall },
};

static int committer(void *commit)
{
	((int (*)(void))commit)();
	complete(&done);
	return 0;
}

/* Commits a fault in a thread of its own, which the fault may end. */
static int commit_in_thread(int (*commit)(void))
{
	struct task_struct *thread = kthread_run(committer, commit, "plant");

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	wait_for_completion_timeout(&done, 3 * HZ);
	reinit_completion(&done);
	return 0;
}

static int set_fault(const char *value, const struct kernel_param *parameter)
{
	size_t at;

	for (at = 0; at < ARRAY_SIZE(faults); at++) {
		if (!sysfs_streq(value, faults[at].name))
			continue;
		/* It must be this task that goes back to user space. */
		if (faults[at].commit == fault_missing_unlock)
			return fault_missing_unlock();
		return commit_in_thread(faults[at].commit);
	}
	pr_err("plant: there is no fault called \"%s\"\n", value);
	return -EINVAL;
}

static const struct kernel_param_ops fault_ops = {
	.set = set_fault,
};

module_param_cb(fault, &fault_ops, NULL, 0200);
MODULE_PARM_DESC(fault, "name of the fault to commit");
MODULE_DESCRIPTION("Planted faults for tests of the lab");
MODULE_LICENSE("Dual MIT/GPL");
