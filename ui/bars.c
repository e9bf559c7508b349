/* The three bars: title above, live facts and keys below. */
#include "ui/screen.h"
#include "ui/qr.h"
#include "ui/text.h"
#include "ui/widgets.h"
#include "ui/facts.h"

#define LOW_SPACE (G_GINT64_CONSTANT (2) << 30)

static char *duration (gint64 ms)
{
    gint64 s = ms / 1000;
    return g_strdup_printf ("%02" G_GINT64_FORMAT ":%02" G_GINT64_FORMAT ":%02" G_GINT64_FORMAT, s / 3600, s / 60 % 60, s % 60);
}

static char *rec_text (const ViewState *state)
{
    if (state->recording_ms < 0)
        return g_strdup (state->paused ? "BREAK, not recording" : "not recording");
    g_autofree char *time = duration (state->recording_ms);
    return g_strdup_printf ("%s REC %s%s", text_glyph (GLYPH_REC), time, state->paused ? " BREAK" : "");   /* a break is recorded too */
}

static Style rec_style (const ViewState *state)
{
    return state->paused ? STYLE_WARNING : state->recording_ms < 0 ? STYLE_NORMAL : STYLE_REC;
}

void draw_title (Screen *self, Rect area)
{
    const ViewState *state = &self->state;
    int right = area.x + area.w - 1;
    draw_fill (area.y, area.x, area.w, STYLE_BAR);
    int id = MIN ((int) text_columns (state->ceremony), area.w / 3);
    if (id)
        draw_text (area.y, right -= id, id, STYLE_BAR, state->ceremony);
    if (state->rehearsal)
        draw_text (area.y, right -= 14, 11, STYLE_REHEARSAL, " REHEARSAL ");
    draw_text (area.y, area.x + 1, right - area.x - 2, STYLE_BAR, state->title);
}

static char *space_text (gint64 bytes)
{
    const char *mark = bytes < LOW_SPACE ? "! " : "";
    double gb = (double) bytes / 1e9;
    return gb < 10 ? g_strdup_printf ("%s%.1f GB free", mark, gb) : g_strdup_printf ("%s%.0f GB free", mark, gb);
}

static void add (GPtrArray *facts, Style style, char *text)
{
    Fact *fact = g_new0 (Fact, 1);
    *fact = (Fact) { text, style };
    g_ptr_array_add (facts, fact);
}

static void fact_free (gpointer data)
{
    g_free (((Fact *) data)->text);
    g_free (data);
}

static GPtrArray *counters (const ViewState *state)
{
    GPtrArray *facts = g_ptr_array_new_with_free_func (fact_free);
    gboolean lost = g_str_equal (state->camera, "lost");
    add (facts, rec_style (state), rec_text (state));
    add (facts, STYLE_NORMAL, g_strdup_printf ("%" G_GUINT64_FORMAT " events", state->events));
    add (facts, state->frames_dropped ? STYLE_WARNING : STYLE_NORMAL,
         state->frames_dropped ? g_strdup_printf ("! %" G_GUINT64_FORMAT " dropped", state->frames_dropped) : g_strdup ("0 dropped"));
    if (state->free_bytes >= 0)
        add (facts, state->free_bytes < LOW_SPACE ? STYLE_WARNING : STYLE_NORMAL, space_text (state->free_bytes));
    if (*state->camera)
        add (facts, lost ? STYLE_ERROR : STYLE_NORMAL, lost ? g_strdup_printf ("%s camera LOST", text_glyph (GLYPH_ERROR)) : g_strdup_printf ("camera %s", state->camera));
    return facts;
}

static GPtrArray *anchors (const ViewState *state)
{
    GPtrArray *facts = g_ptr_array_new_with_free_func (fact_free);
    if (state->checkpoint_size)
        add (facts, STYLE_NORMAL, g_strdup_printf ("checkpoint %" G_GUINT64_FORMAT "%s%s", state->checkpoint_size, *state->checkpoint_words ? ": " : "", state->checkpoint_words));
    else
        add (facts, STYLE_NORMAL, g_strdup ("no checkpoint yet"));
    if (*state->token)
        add (facts, STYLE_NORMAL, g_strdup_printf ("token %s", state->token));
    return facts;
}

/* As many facts as fit, three columns apart; the last is cut in its middle. Gives the column after them. */
static int draw_line_of_facts (int y, int x, int right, GPtrArray *facts)
{
    for (guint i = 0; i < facts->len && x < right; i++)
    {
        const Fact *fact = facts->pdata[i];
        g_autofree char *text = text_cut_middle (fact->text, (guint) (right - x));
        x += draw_text (y, x, right - x, fact->style, text) + 3;
    }
    return x;
}

void draw_facts (Screen *self, Rect area)
{
    g_autoptr (GPtrArray) first = counters (&self->state), second = anchors (&self->state);
    int right = area.x + area.w;
    int x = draw_line_of_facts (area.y, area.x, right, first);
    if (area.h > 1)
        draw_line_of_facts (area.y + 1, area.x, right, second);
    else
        draw_line_of_facts (area.y, x, right, second);
}

static int draw_key (int y, int x, int right, const char *key, const char *label)
{
    if (x >= right)
        return x;
    x += draw_text (y, x, right - x, STYLE_KEY, key) + 1;
    return x + draw_text (y, x, right - x, STYLE_NORMAL, label) + 2;
}

/* What Enter does right now; NULL: nothing. */
static const char *enter_label (const Screen *self)
{
    static const char *const labels[] = {
        [ASK_CONTINUE] = "go on", [ASK_CONFIRM] = "confirm", [ASK_TEXT] = "answer", [ASK_CHOICE] = "choose",
        [ASK_PIN] = "done", [ASK_WORDS] = "done", [ASK_YES_NO] = "answer",
    };
    return !self->ask ? NULL : self->ask->page && !screen_at_end (self) ? "more" : labels[self->ask->kind];
}

static int draw_own_keys (const Screen *self, int y, int x, int right)
{
    const Ask *ask = self->ask;
    if (!ask)
        return draw_text (y, x, right - x, STYLE_QUIET, "Please wait") + x + 2;
    x = draw_key (y, x, right, "Enter", enter_label (self));
    if (ask->kind == ASK_WORDS)
        x = draw_key (y, x, right, "Tab", "complete");
    if (ask->kind == ASK_CHOICE)
        x = draw_key (y, x, right, text_glyphs () == GLYPHS_ASCII ? "Up/Down" : "↑↓", "select");
    if (ask->kind == ASK_YES_NO)
        x = draw_key (y, x, right, "y/n", "select");
    if (ask->page && self->detail.n > self->detail.room)
        x = draw_key (y, x, right, "PgUp/PgDn", "scroll");
    return x;
}

static void draw_note (const Screen *self, int y, int x, int right)
{
    int width = self->note ? (int) text_columns (self->note) : 0;
    if (width && x + width <= right)
        draw_text (y, right - width, width, STYLE_QUIET, self->note);
}

void draw_keys (Screen *self, Rect area)
{
    static const struct { const char *key, *label; } always[] = { { "F2", "note" }, { "F3", "deviation" }, { "F4", "QR" }, { "F5", "pause" }, { "F8", "abort" } };
    int right = area.x + area.w - 1, x = draw_own_keys (self, area.y, area.x + 1, right);
    Rect beside;
    int width;
    if (self->ask && self->ask->page)
    {
        if (self->ask->qr && !qr_beside (self, &beside, &width) && qr_fits_alone (self))
            draw_key (area.y, x, right, "F4", self->qr_alone ? "text" : "QR");
        return;
    }
    if (self->state.closed)
    {
        draw_key (area.y, x, right, "F8", "break off");
        draw_note (self, area.y, x, right);
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS (always); i++)
    {
        gboolean resume = i == 3 && self->state.paused;
        x = draw_key (area.y, x, right, always[i].key, resume ? "resume" : i == 2 && self->qr_alone ? "text" : always[i].label);
    }
    draw_note (self, area.y, x, right);
}
