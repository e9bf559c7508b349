/* The paper script: what people hold in their hands when the machine fails, and what a CA signs off before it. */
#include <string.h>
#include "ceremony/script/script.h"

enum { INITIALS_WIDTH = 10, TIME_WIDTH = 8, STEP_WIDTH = 4 };

static guint
columns (const char *s, gsize bytes)
{
    guint n = 0;
    for (const char *p = s; p < s + bytes; p = g_utf8_next_char (p))
        n += g_unichar_iswide (g_utf8_get_char (p)) ? 2 : g_unichar_iszerowidth (g_utf8_get_char (p)) ? 0 : 1;
    return n;
}

/* Bytes of @text that fit @width columns, broken at a space where there is one. */
static gsize
line_bytes (const char *text, guint width)
{
    gsize end = strcspn (text, "\n");
    if (columns (text, end) <= width)
        return end;
    gsize fits = 0, space = 0;
    for (const char *p = text; p < text + end && columns (text, p - text) <= width; p = g_utf8_next_char (p)) {
        fits = p - text;
        if (*p == ' ')
            space = fits;
    }
    return space > 0 ? space : MAX (fits, (gsize) (g_utf8_next_char (text) - text));
}

static void
row (GString *out, const char *step, const char *activity, gsize bytes, guint width, const char *initials, const char *time)
{
    g_string_append_printf (out, "| %-*s | %.*s%*s | %-*s | %-*s |\n", STEP_WIDTH, step, (int) bytes, activity, (int) (width - columns (activity, bytes)), "",
                            INITIALS_WIDTH, initials, TIME_WIDTH, time);
}

static void
rule (GString *out, guint width, char c)
{
    const int widths[] = { STEP_WIDTH, (int) width, INITIALS_WIDTH, TIME_WIDTH };
    for (guint i = 0; i < G_N_ELEMENTS (widths); i++) {
        g_string_append_c (out, '+');
        for (int n = 0; n < widths[i] + 2; n++)
            g_string_append_c (out, c);
    }
    g_string_append (out, "+\n");
}

/* @text wrapped into rows; the first has @step and its initials column @initials. */
static void
paragraph (GString *out, const char *step, const char *prefix, const char *text, guint width)
{
    if (text[0] == '\0')
        return;
    g_autofree char *all = g_strconcat (prefix, text, NULL);
    g_strchomp (all);
    for (const char *p = all; *p != '\0';) {
        gsize n = line_bytes (p, width);
        row (out, step, p, n, width, "", "");
        step = "";
        p += n;
        while (*p == ' ')
            p++;
        if (*p == '\n')
            p++;
    }
}

static void
print_step (GString *out, const ScriptStep *step, guint number, guint width)
{
    g_autofree char *n = g_strdup_printf ("%u", number);
    paragraph (out, n, "", step->title, width);
    paragraph (out, "", "Read aloud: ", step->read, width);
    paragraph (out, "", "Do: ", step->action, width);
    for (char **role = step->confirm; *role != NULL; role++) {
        g_autofree char *confirms = g_strdup_printf ("Confirms: %s", *role);
        row (out, "", confirms, strlen (confirms), width, "__________", "__:__:__");
    }
    rule (out, width, '-');
}

char *
script_print (const Script *self, guint width)
{
    guint activity = MAX (width, 72u) - (STEP_WIDTH + INITIALS_WIDTH + TIME_WIDTH + 13);
    GString *out = g_string_new (NULL);
    g_autofree char *roles = g_strjoinv (", ", self->roles);
    g_string_append_printf (out, "%s\nVersion %s\nSHA-256 %s\n\n", self->title, self->version, self->sha256);
    g_string_append_printf (out, "Roles: %s\nOrder: ____________________   Ceremony: ____________________   Date: ____________\n\n", roles);
    rule (out, activity, '=');
    row (out, "Step", "Activity", strlen ("Activity"), activity, "Initials", "Time UTC");
    rule (out, activity, '=');
    for (guint i = 0; i < self->steps->len; i++)
        print_step (out, g_ptr_array_index (self->steps, i), i + 1, activity);
    g_string_append (out, "\nDeviations (expected, happened, decided):\n\n");
    for (char **role = self->roles; *role != NULL; role++)
        g_string_append_printf (out, "\n%s: name ______________________________ signature ______________________________\n", *role);
    return g_string_free (out, FALSE);
}
