/* A call that is banned, in a layout that is not ours: for the tests of banned.sh and formatted.sh. */
#include <string.h>
void careless(char *to, const char *from) { strcpy (to, from); }
