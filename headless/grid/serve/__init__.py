"""A small grid of one's own: catalogue, storage, tokens, jobs, behind JAliEn's protocol."""
