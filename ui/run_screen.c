/* The run screen: steps at the left, at the right what to read aloud, what to do and the question. */
#include "ui/screen.h"
#include "ui/facts.h"
#include "ui/text.h"
#include "ui/widgets.h"

static void draw_step (const ViewStep *step, gboolean current, int y, Rect area)
{
    static const struct { Glyph glyph; Style mark, text; } looks[] = {
        [STEP_TODO] = { GLYPH_TODO, STYLE_NORMAL, STYLE_NORMAL },
        [STEP_NOW] = { GLYPH_NOW, STYLE_NOW, STYLE_NOW },
        [STEP_DONE] = { GLYPH_DONE, STYLE_OK, STYLE_NORMAL },
        [STEP_SKIPPED] = { GLYPH_SKIPPED, STYLE_QUIET, STYLE_QUIET },
    };
    draw_text (y, area.x, 2, looks[step->state].mark, text_glyph (looks[step->state].glyph));
    draw_text (y, area.x + 2, area.w - 2, current ? STYLE_NOW : looks[step->state].text, step->title);
}

static void draw_steps (Screen *self, Rect area, gboolean roomy)
{
    const ViewState *state = &self->state;
    int head = roomy ? 2 : 1, room = area.h - head;
    g_autofree char *label = state->current < state->n_steps ? g_strdup_printf ("Step %u of %u", state->current + 1, state->n_steps)
                                                             : g_strdup_printf ("%u steps", state->n_steps);
    if (state->n_steps == 0)
        return;
    draw_text (area.y, area.x, area.w, STYLE_QUIET, label);
    guint first = layout_scroll_to (MIN (state->current, state->n_steps - 1), state->n_steps, (guint) room);
    for (int i = 0; i < room && first + (guint) i < state->n_steps; i++)
    {
        guint n = first + (guint) i;
        draw_step (&state->steps[n], n == state->current, area.y + head + i, area);
    }
    if (first > 0)
        draw_text (area.y, area.x + area.w - 1, 1, STYLE_QUIET, text_glyph (GLYPH_MORE_UP));
    if (first + (guint) room < state->n_steps)
        draw_text (area.y + area.h - 1, area.x + area.w - 1, 1, STYLE_QUIET, text_glyph (GLYPH_MORE_DOWN));
}

void draw_run_screen (Screen *self)
{
    Layout layout = layout_run (self->cols, self->rows);
    draw_title (self, layout.title);
    draw_steps (self, layout.steps, layout.roomy);
    draw_divider (layout.divider, layout.title.y + 1, layout.rule - layout.title.y - 1);
    draw_panel (self, layout.panel, FALSE);
    draw_rule (layout.rule, 0, (int) self->cols, layout.divider);
    draw_facts (self, layout.facts);
    draw_keys (self, layout.keys);
}
