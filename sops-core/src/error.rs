//! The error of the library.
