/* What the two kinds of signer share. */
#pragma once
#include "ceremony/bundle/signer.h"

/* Takes over @key and @cert (also on error). @further: borrowed; of them the chain of @cert is kept, in order, the rest left out. Refuses a key that CMS can't use or that isn't @cert's. */
Signer *signer_new (EVP_PKEY *key, X509 *cert, STACK_OF(X509) *further, SignerPlace place, GError **error);
