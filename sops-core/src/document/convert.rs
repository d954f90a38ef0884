//! An encrypted file in another format.

use super::{
    DecryptOptions, Encrypted, Plain, PlainFile, Unlocked,
    open::{Purpose, open},
    seal::Seal,
};
use crate::{error::Error, format::Format};

impl Unlocked<'_> {
    /// Encrypts the file in another format, in the style of the reference, under the same data key and the same rules.
    /// Texts that have a ciphertext keep it.
    ///
    /// # Errors
    /// As [`Unlocked::decrypt`]; [`Error::Emit`] if the format cannot hold it; [`Error::UnsupportedFormat`] from or to a
    /// binary file.
    pub fn convert(
        &self,
        output: Format,
        indent: Option<usize>,
        options: &DecryptOptions,
    ) -> Result<Encrypted, Error> {
        for format in [self.file.format, output] {
            if format == Format::Binary {
                return Err(Error::UnsupportedFormat(format));
            }
        }
        let converted = self.decrypt(options)?.convert(output, indent)?;
        let PlainFile(Plain::Text(plain)) = PlainFile::parse(converted.expose(), output)? else {
            return Err(Error::UnsupportedFormat(output));
        };
        let matcher = self.file.metadata.selector.compile()?;
        let purpose = Purpose::EncryptAgain;
        let stash = open(&self.file, &self.cipher, &matcher, purpose)?.stash;
        let mut metadata = self.file.metadata.clone();
        metadata.touch();
        metadata.layout = None;
        Seal {
            matcher: &matcher,
            cipher: &self.cipher,
            stash: &stash,
        }
        .run(&plain, metadata, self.layout)
    }
}
