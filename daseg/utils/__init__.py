"""Small tools without a domain of their own; they import no other part of daseg."""
