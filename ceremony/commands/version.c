/* `ceremony version`: which program this is. The journal records the same words. */
#include "ceremony/commands/commands.h"
#include <stdio.h>

int
command_version (int argc, char **argv)
{
    puts ("ceremony " CEREMONY_VERSION);
    return 0;
}
