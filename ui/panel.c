/* The right side: what to read aloud, what to do now, what the program waits for, the last message; and at the bottom, always in the same place, the question. */
#include "ui/screen.h"
#include "ui/text.h"
#include "ui/widgets.h"
#include "ui/words.h"

#define CHOICES_SHOWN 8                 /* lines of choices */
#define CHOICE_INDENT 6                 /* columns before the text of a choice */
#define MIN_ALOUD 5                     /* the box with three lines in it */

typedef enum { HEAD, ALOUD, ACTION, WAITING, MESSAGE, GAP, RULE, TITLE, DETAIL, INPUT, PROBLEM, BLOCKS } BlockId;

typedef struct { GPtrArray *lines; Glyph mark; gboolean marked; Style mark_style, style; } Block;

static int mark_width (const Block *block) { return block->marked ? (int) text_columns (text_glyph (block->mark)) + 1 : 0; }

/* A block of @text; with @mark its lines are set in behind it. */
static void set_block (Block *block, const char *text, int width, gboolean marked, Glyph mark, Style mark_style, Style style)
{
    *block = (Block) { NULL, mark, marked, mark_style, style };
    block->lines = text_wrap (text, (guint) MAX (1, width - mark_width (block)));
}

static void draw_block (const Block *block, Rect area, guint first)
{
    int in = mark_width (block);
    if (area.h <= 0 || block->lines->len == 0)
        return;
    if (block->marked)
        draw_text (area.y, area.x, in, block->mark_style, text_glyph (block->mark));
    draw_lines ((Rect) { area.y, area.x + in, area.h, area.w - in }, block->lines, first, block->style);
}

static char *heading (const Ask *ask)
{
    static const struct { const char *alone, *with_role; } labels[] = {
        [ASK_CONTINUE] = { "Go on", "goes on" }, [ASK_CONFIRM] = { "Confirm", "confirms" }, [ASK_TEXT] = { "Answer", "answers" },
        [ASK_CHOICE] = { "Choose", "chooses" }, [ASK_PIN] = { "PIN", "types the PIN" }, [ASK_WORDS] = { "Words", "gives the words" },
        [ASK_YES_NO] = { "Decide", "decides" },
    };
    if (!*ask->role)
        return g_strdup (labels[ask->kind].alone);
    g_autofree char *first = g_utf8_substring (ask->role, 0, 1), *upper = g_utf8_strup (first, -1);
    return g_strdup_printf ("%s%s %s", upper, g_utf8_next_char (ask->role), labels[ask->kind].with_role);
}

/* A choice may take several lines. @at gets the line that each begins with, and behind the last their number. */
static GPtrArray *choice_lines (const Ask *ask, int width, guint *at)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func (g_free);
    for (guint n = 0; n < ask->n_choices; n++)
    {
        g_autoptr (GPtrArray) wrapped = text_wrap (ask->choices[n], (guint) MAX (1, width - CHOICE_INDENT - 1));
        at[n] = lines->len;
        for (guint i = 0; i < wrapped->len; i++)
            g_ptr_array_add (lines, i ? g_strdup_printf ("    %s ", (char *) wrapped->pdata[i]) : g_strdup_printf (" %u  %s ", n + 1, (char *) wrapped->pdata[i]));
    }
    at[ask->n_choices] = lines->len;
    return lines;
}

static int choice_rows (const Ask *ask, int width)
{
    g_autofree guint *at = g_new0 (guint, ask->n_choices + 1);
    g_autoptr (GPtrArray) lines = choice_lines (ask, width, at);
    return (int) MIN (lines->len, CHOICES_SHOWN);
}

static int input_rows (const Ask *ask, int width)
{
    return ask->kind == ASK_CHOICE ? choice_rows (ask, width) : ask->kind == ASK_WORDS ? 1 + WORDS_WANTED / 2 : 1;
}

static void draw_field (Screen *self, int y, int x, int width, const Editor *line)
{
    guint column;
    g_autofree char *part = editor_visible (line, (guint) width, &column);
    g_autofree char *visible = text_visible (part, FALSE);
    draw_fill (y, x, width, STYLE_FIELD);
    draw_text (y, x, width, STYLE_FIELD, visible);
    self->cursor = TRUE;
    self->cursor_y = y;
    self->cursor_x = x + (int) column;
}

static void draw_word (const TypedWord *word, guint place, int y, int x, int width)
{
    static const struct { Style style; const char *said; } looks[] = {
        [WORD_RIGHT] = { STYLE_OK, "" }, [WORD_BEGUN] = { STYLE_NORMAL, "" }, [WORD_UNKNOWN] = { STYLE_ERROR, " not in list" },
        [WORD_WRONG_PARITY] = { STYLE_ERROR, " wrong list" }, [WORD_TOO_MANY] = { STYLE_ERROR, " too many" },
    };
    g_autofree char *number = g_strdup_printf ("%u", place + 1);
    draw_text (y, x, 2, STYLE_QUIET, number);
    if (!word)
        return;
    Glyph mark = word->state == WORD_RIGHT ? GLYPH_DONE : word->state == WORD_BEGUN ? GLYPH_WAIT : GLYPH_ERROR;
    int at = x + 2 + draw_text (y, x + 2, 3, looks[word->state].style, text_glyph (mark)) + 1;
    const char *text = word->state == WORD_BEGUN ? word->candidates : word->text;
    at += draw_text (y, at, x + width - at - 1, word->state == WORD_BEGUN ? STYLE_QUIET : STYLE_NORMAL, text);
    draw_text (y, at, x + width - at - 1, looks[word->state].style, looks[word->state].said);
}

static void draw_words (Screen *self, Rect area)
{
    g_autoptr (GPtrArray) words = words_typed (self->ask->line->text->str);
    draw_field (self, area.y, area.x, area.w, self->ask->line);
    for (guint i = 0; i < WORDS_WANTED; i++)
    {
        int row = 1 + (int) i / 2, half = area.w / 2;
        if (row < area.h)
            draw_word (i < words->len ? words->pdata[i] : NULL, i, area.y + row, area.x + (i % 2 ? half : 0), half);
    }
}

static void draw_choices (Screen *self, Rect area)
{
    const Ask *ask = self->ask;
    g_autofree guint *at = g_new0 (guint, ask->n_choices + 1);
    g_autoptr (GPtrArray) lines = choice_lines (ask, area.w, at);
    guint from = at[ask->selected], to = ask->n_choices ? at[ask->selected + 1] : 0;
    guint first = MIN (layout_scroll_to (to - 1, lines->len, (guint) area.h), from);
    for (int i = 0; i < area.h && first + (guint) i < lines->len; i++)
    {
        guint n = first + (guint) i;
        if (n == from)
            draw_text (area.y + i, area.x, 1, STYLE_NOW, text_glyph (GLYPH_POINT));
        draw_text (area.y + i, area.x + 2, area.w - 2, n >= from && n < to ? STYLE_CHOSEN : STYLE_NORMAL, lines->pdata[n]);
    }
    g_autofree char *more = g_strdup_printf (" %u of %u ", ask->selected + 1, ask->n_choices);
    if (lines->len > (guint) area.h)
        draw_text (area.y + area.h - 1, area.x + area.w - (int) text_columns (more), 20, STYLE_QUIET, more);
}

static void draw_yes_no (const Ask *ask, Rect area)
{
    const char *point = text_glyph (GLYPH_POINT);
    g_autofree char *yes = g_strdup_printf (" %s Yes ", ask->yes == 1 ? point : " "), *no = g_strdup_printf (" %s No ", ask->yes == 0 ? point : " ");
    draw_text (area.y, area.x, 8, ask->yes == 1 ? STYLE_CHOSEN : STYLE_NORMAL, yes);
    draw_text (area.y, area.x + 10, 8, ask->yes == 0 ? STYLE_CHOSEN : STYLE_NORMAL, no);
}

static void draw_input (Screen *self, Rect area)
{
    const Ask *ask = self->ask;
    if (area.h <= 0)
        return;
    switch (ask->kind)
    {
    case ASK_CONTINUE:
        draw_text (area.y, area.x + draw_text (area.y, area.x, area.w, STYLE_KEY, "Enter") + 1, area.w - 6, STYLE_NORMAL, "when this is done.");
        break;
    case ASK_CONFIRM:
        draw_text (area.y, area.x, area.w, STYLE_NORMAL, "Initials ");
        draw_field (self, area.y, area.x + 9, 12, ask->line);
        break;
    case ASK_TEXT: draw_field (self, area.y, area.x, area.w, ask->line); break;
    case ASK_CHOICE: draw_choices (self, area); break;
    case ASK_PIN: draw_text (area.y, area.x, area.w, STYLE_STRONG, "Typing is hidden. Enter when done."); break;
    case ASK_WORDS: draw_words (self, area); break;
    case ASK_YES_NO: draw_yes_no (ask, area); break;
    }
}

static gboolean title_was_cut (const Screen *self)
{
    Layout layout = layout_run (self->cols, self->rows);
    const ViewState *state = &self->state;
    return state->current < state->n_steps && (int) text_columns (state->steps[state->current].title) > layout.steps.w - 2;
}

static void make_blocks (const Screen *self, Block *b, int width, gboolean only_question, gboolean roomy)
{
    static const struct { Glyph glyph; Style style; } moods[] = {
        [MOOD_NORMAL] = { GLYPH_NEWS, STYLE_NORMAL }, [MOOD_WARNING] = { GLYPH_WARNING, STYLE_WARNING }, [MOOD_ERROR] = { GLYPH_ERROR, STYLE_ERROR },
    };
    const ViewState *state = &self->state;
    const Ask *ask = self->ask;
    gboolean head = !only_question && state->current < state->n_steps && (roomy || title_was_cut (self));
    g_autofree char *qr = ask && ask->qr ? qr_in_words (self, only_question) : NULL;
    g_autofree char *detail = !ask ? g_strdup ("") : qr && *qr ? g_strconcat (ask->detail, *ask->detail ? "\n\n" : "", qr, NULL) : g_strdup (ask->detail);
    set_block (&b[HEAD], head ? state->steps[state->current].title : "", width, FALSE, 0, 0, STYLE_STRONG);
    set_block (&b[ALOUD], only_question ? "" : state->read_aloud, width - 4, FALSE, 0, 0, STYLE_ALOUD);
    set_block (&b[ACTION], only_question ? "" : state->action, width, TRUE, GLYPH_POINT, STYLE_NOW, STYLE_NORMAL);
    set_block (&b[WAITING], state->waiting, width, TRUE, GLYPH_WAIT, STYLE_NOW, STYLE_NORMAL);
    set_block (&b[MESSAGE], state->message, width, TRUE, moods[state->mood].glyph, moods[state->mood].style, moods[state->mood].style);
    set_block (&b[TITLE], ask ? ask->title : "", width, FALSE, 0, 0, STYLE_STRONG);
    set_block (&b[DETAIL], detail, width, FALSE, 0, 0, STYLE_NORMAL);
    set_block (&b[PROBLEM], ask && ask->problem ? ask->problem : "", width, TRUE, GLYPH_WARNING, STYLE_WARNING, STYLE_WARNING);
}

static void share_rows (const Block *b, const Ask *ask, int rows, int width, gboolean roomy, Share *s)
{
    static const struct { BlockId id; int min, rank; } texts[] = {
        { HEAD, 1, 1 }, { ACTION, 3, 1 }, { WAITING, 2, 1 }, { MESSAGE, 5, 1 }, { TITLE, 4, 0 }, { DETAIL, 4, 4 }, { PROBLEM, 3, 0 },
    };
    for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
        s[texts[i].id] = (Share) { texts[i].min, (int) b[texts[i].id].lines->len, texts[i].rank, 0 };
    int aloud = b[ALOUD].lines->len ? (int) b[ALOUD].lines->len + 2 : 0, above = (b[HEAD].lines->len > 0) + (b[MESSAGE].lines->len > 0) + (aloud && roomy);
    s[ALOUD] = (Share) { MIN_ALOUD, aloud, 3, 0 };
    s[GAP] = (Share) { 0, above + (ask ? 1 + (b[DETAIL].lines->len > 0) : 0), 5, 0 };
    s[RULE] = (Share) { 1, ask != NULL, 0, 0 };
    s[INPUT] = (Share) { 1, ask ? input_rows (ask, width) : 0, 0, 0 };
    if (ask && ask->kind == ASK_CHOICE)
        s[INPUT].min = MIN (3, s[INPUT].want);
    else
        s[INPUT].min = s[INPUT].want;
    layout_share (rows, s, BLOCKS);
    if (s[ALOUD].got == s[ALOUD].want && s[DETAIL].got == s[DETAIL].want)
        return;
    s[GAP].rank = 2;                    /* a text is scrolled anyway: then the blank lines may stay */
    layout_share (rows, s, BLOCKS);
}

static void draw_aloud (Screen *self, const Block *block, Rect area)
{
    Rect inner = { area.y + 1, area.x + 2, area.h - 2, area.w - 4 };
    self->aloud.n = block->lines->len;
    self->aloud.room = inner.h > 0 ? (guint) inner.h : 0;
    self->aloud.first = MIN (self->aloud.first, self->aloud.n > self->aloud.room ? self->aloud.n - self->aloud.room : 0);
    if (area.h < 3)
        return;
    draw_box (area, "Read aloud");
    draw_lines (inner, block->lines, self->aloud.first, block->style);
    draw_more (area.y + area.h - 1, area.x + area.w - 2, self->aloud.first, self->aloud.n, self->aloud.room);
}

/* A gap of one row while the share of gaps lasts. */
static int gap (Share *gaps) { return gaps->got > 0 ? (gaps->got--, 1) : 0; }

static void draw_upper (Screen *self, const Block *b, Share *s, Rect area)
{
    static const BlockId flow[] = { HEAD, ALOUD, ACTION, WAITING, MESSAGE };
    int y = area.y;
    for (guint i = 0; i < G_N_ELEMENTS (flow); i++)
    {
        BlockId id = flow[i];
        if (s[id].got == 0)
            continue;
        if (id == MESSAGE && y > area.y)
            y += gap (&s[GAP]);
        Rect part = { y, area.x, s[id].got, area.w };
        if (id == ALOUD)
            draw_aloud (self, &b[id], part);
        else
            draw_block (&b[id], part, 0);
        y += s[id].got;
        if (id == HEAD || (id == ALOUD && s[GAP].got > 2))
            y += gap (&s[GAP]);
    }
}

static void draw_detail (Screen *self, const Block *block, Rect area)
{
    self->detail.n = block->lines->len;
    self->detail.room = (guint) area.h;
    self->detail.first = MIN (self->detail.first, self->detail.n > self->detail.room ? self->detail.n - self->detail.room : 0);
    draw_block (block, area, self->detail.first);
}

static void draw_question (Screen *self, const Block *b, Share *s, Rect area)
{
    g_autofree char *label = heading (self->ask);
    int between = s[DETAIL].got && s[GAP].got > 0, before = s[GAP].got - between > 0;
    int h = s[RULE].got + s[TITLE].got + between + s[DETAIL].got + before + s[INPUT].got + s[PROBLEM].got;
    int y = area.y + area.h - h;
    draw_heading (y, area.x, area.w, label);
    draw_block (&b[TITLE], (Rect) { y + 1, area.x, s[TITLE].got, area.w }, 0);
    y += 1 + s[TITLE].got + between;
    draw_detail (self, &b[DETAIL], (Rect) { y, area.x, s[DETAIL].got, area.w });
    y += s[DETAIL].got + before;
    draw_input (self, (Rect) { y, area.x, s[INPUT].got, area.w });
    draw_block (&b[PROBLEM], (Rect) { y + s[INPUT].got, area.x, s[PROBLEM].got, area.w }, 0);
    draw_more (area.y + area.h - h, area.x + area.w - 1, self->detail.first, self->detail.n, self->detail.room);
}

void draw_panel (Screen *self, Rect area, gboolean only_question)
{
    Block blocks[BLOCKS] = { 0 };
    Share shares[BLOCKS] = { 0 };
    gboolean roomy = self->rows >= 30;
    make_blocks (self, blocks, area.w, only_question, roomy);
    share_rows (blocks, self->ask, area.h, area.w, roomy, shares);
    self->aloud = (Scroll) { self->aloud.first, 0, 0 };
    self->detail = (Scroll) { self->detail.first, 0, 0 };
    draw_upper (self, blocks, shares, area);
    if (self->ask)
        draw_question (self, blocks, shares, area);
    for (guint i = 0; i < BLOCKS; i++)
        g_clear_pointer (&blocks[i].lines, g_ptr_array_unref);
}
