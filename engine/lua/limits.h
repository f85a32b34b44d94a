/* limits.h: what one call into Lua may use. Apart from vm.h, so that whoever sets the limits need
 * not see Lua. */
#ifndef STATUTE_VM_LIMITS_H
#define STATUTE_VM_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct vm_limits {
    int64_t instructions; /* a call: 1,000,000 */
    int64_t wall_us;      /* a call: 50 ms */
    size_t memory_bytes;  /* a call may allocate this much over what the VM held before: 16 MiB */
};
struct vm_limits vm_limits_default(void);

#endif
