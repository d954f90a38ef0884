#![no_main]

use libfuzzer_sys::fuzz_target;
use sops_core::Format;
use sops_fuzz::{encrypt_and_decrypt, options};

fuzz_target!(|data: &[u8]| {
    let (options, text) = options(data);
    encrypt_and_decrypt(text, Format::Ini, &options);
});
