/* The challenge (design: why a bundle can be believed, 3) and what follows from it. */
#pragma once
#include <glib.h>

#define CHALLENGE_LEN 8
/* First 64 bits of SHA-256("ceremony/challenge/v1\n" ‖ id ‖ "\n" ‖ base64 root ‖ "\n" ‖ secret); @secret is the witness's 32 bytes. */
void challenge_compute (const char *ceremony, const char *root_base64, const guint8 secret[32], guint8 out[CHALLENGE_LEN]);
/* A local witness's own words (dice): first 64 bits of SHA-256("ceremony/challenge/words/v1\n" ‖ words in lower case, single spaces). At least 5 words, 20 letters. */
gboolean challenge_from_words (const char *words, guint8 out[CHALLENGE_LEN], GError **error);
/* The same for what a local witness has sealed to a TPM (the act credential): 32 bytes, SHA-256("ceremony/credential/words/v1\n" ‖ the 8 bytes above). */
gboolean challenge_seed_from_words (const char *words, guint8 out[32], GError **error);
/* CKA_ID: first 16 bytes of SHA-256(challenge ‖ ceremony id). */
GBytes *challenge_key_id (const guint8 challenge[CHALLENGE_LEN], const char *ceremony);
/* "ceremony/possession/v1\n" ‖ hex of @nonce ‖ "\n" ‖ checkpoint note. g_free. */
char *possession_text (const guint8 *nonce, gsize nonce_len, const char *note);
