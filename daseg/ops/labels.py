"""What all label maps share."""

IGNORE = 255  # train id of the pixels that are not learnt and not evaluated
