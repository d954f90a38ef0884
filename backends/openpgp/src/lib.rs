//! OpenPGP keys from exported key files.
