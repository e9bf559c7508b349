/* What the autopilot needs of the view beyond RunView. */
#pragma once
#include "ui/screen.h"
#include "ui/ui.h"

typedef struct {
    void (*asked) (gpointer data);      /* a question or page has come up */
    void (*touched) (gpointer data);    /* a person pressed a key */
    void (*freed) (gpointer data);      /* the terminal has been given back */
    gpointer data;
} ViewObserver;

void           view_observe (RunView *view, const ViewObserver *observer);
const Screen  *view_screen (RunView *view);     /* its ask: what waits for an answer */
gboolean       view_has_terminal (RunView *view);
void           view_set_note (RunView *view, const char *note); /* static text beside the keys; NULL none */
void           view_type (RunView *view, const guint8 *bytes, gsize len);  /* as if a person had typed them */
