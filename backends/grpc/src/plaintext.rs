//! Messages that hold a data key.

#[doc(hidden)]
pub use zeroize::Zeroize;

/// Has messages wipe their field `plaintext` when they are dropped, and print nothing of it. They have to skip the `Debug`
/// of `prost`.
#[macro_export]
macro_rules! hide_plaintext {
    ($($message:ident),+) => {
        $(
            impl Drop for $message {
                fn drop(&mut self) {
                    $crate::Zeroize::zeroize(&mut self.plaintext);
                }
            }

            impl ::std::fmt::Debug for $message {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    f.write_str(concat!(stringify!($message), "([REDACTED])"))
                }
            }
        )+
    };
}
