/*
 * fault: what may go wrong in a run. fault.def is the table.
 */
#ifndef LOAD_FAULT_H
#define LOAD_FAULT_H

enum fault {
#define FAULT(name, text) FAULT_##name,
#include "fault.def"
#undef FAULT
	FAULT_COUNT
};

#endif
