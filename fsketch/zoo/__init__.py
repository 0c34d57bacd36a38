"""The zoo: translators with a name, a card and weights, ready to use.

    NAME.json           the card (cards.py): what it is, what it was trained on, under which terms
    NAME.safetensors    the weights, 16 bit, with the SHA-256 that the card tells

Entries lie in this folder, in the folder $FSKETCH_MODELS and in one that a caller names; the
nearest folder comes first.  One entry is one direction of one run; `entries.py` writes it.
"""
