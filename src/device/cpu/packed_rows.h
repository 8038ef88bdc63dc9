/* packed_rows.h -- what the portable and the vector rows for packed weights share: they differ in
 * how they expand a piece of a panel, and the vector ones have a product of their own for few rows.
 */
#ifndef EBB_DEVICE_CPU_PACKED_ROWS_H
#define EBB_DEVICE_CPU_PACKED_ROWS_H

#include "device/cpu/vector.h"
#include "tensor/packed.h"

/* The layout of input `input`; NULL: it is not packed. */
const packed_layout *packed_input(const kernel_plan *plan, uint32_t input);

bool packed_unpack_plan(kernel_plan *plan, vector_expand expand);
void packed_unpack_run(const kernel_call *call);
bool packed_gather_plan(kernel_plan *plan, vector_expand expand);
void packed_gather_run(const kernel_call *call);

#endif
