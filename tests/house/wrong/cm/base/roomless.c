#include "log.h"

void roomless(void)
{
	log_event(CONFIG_LOG_INFO, "kitchen.cooked", log_text("what", "nothing"));
}
