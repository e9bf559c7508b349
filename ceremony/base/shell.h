/* Words of a command line that is printed for a person to paste. */
#pragma once

/* @word as a shell takes it back: in quotes only where it needs them. g_free. */
char *shell_word (const char *word);
