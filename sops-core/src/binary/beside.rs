//! Hashing on a second core what the first one encrypts or decrypts.

use std::{sync::mpsc, thread};

use zeroize::Zeroizing;

use super::{PIECE, recheck::Recheck};
use crate::crypto::{GcmStream, Mac};

/// From how many bytes on a second core is worth starting a thread.
const WORTH_IT: usize = 1 << 20;

/// How many pieces one core may be ahead of the other.
const AHEAD: usize = 8;

/// Hashes the plaintext, encrypts it where it lies, and checks that it decrypts to what it was.
pub(super) fn hash_and_encrypt(
    bytes: &mut [u8],
    mac: &mut Mac,
    stream: &mut GcmStream<'_>,
    recheck: &mut Recheck<'_>,
) {
    if bytes.len() < WORTH_IT {
        for piece in bytes.chunks_mut(PIECE) {
            mac.update(piece);
            recheck.encrypt(stream, piece);
        }
        return;
    }
    thread::scope(|scope| {
        let (hashed, ready) = mpsc::sync_channel(AHEAD);
        scope.spawn(move || {
            for piece in bytes.chunks_mut(PIECE) {
                mac.update(piece);
                if hashed.send(piece).is_err() {
                    return;
                }
            }
        });
        for piece in ready {
            recheck.encrypt(stream, piece);
        }
    });
}

/// A piece of plaintext in memory that is used again: its bytes, and how many of them count.
pub(super) type Filled = (Zeroizing<Vec<u8>>, usize);

/// Gives pieces to a hash, and gets memory for the next ones.
pub(super) type Exchange<'e> = dyn FnMut(Filled) -> Zeroizing<Vec<u8>> + 'e;

/// Calls `work` with an exchange for pieces of `size` bytes; all that it gets is hashed when this returns. `total` is
/// about how many bytes there will be.
pub(super) fn hash_beside<R>(
    mac: &mut Mac,
    size: usize,
    total: usize,
    work: impl FnOnce(&mut Exchange<'_>) -> R,
) -> R {
    if total < WORTH_IT {
        return work(&mut |(piece, length)| {
            mac.update(&piece[..length]);
            piece
        });
    }
    thread::scope(|scope| {
        let (filled, full) = mpsc::sync_channel::<Filled>(AHEAD);
        let (emptied, empty) = mpsc::channel();
        for _ in 0..AHEAD {
            let _ = emptied.send(Zeroizing::new(vec![0; size]));
        }
        scope.spawn(move || {
            for (piece, length) in full {
                mac.update(&piece[..length]);
                // Nobody takes the last ones back.
                let _ = emptied.send(piece);
            }
        });
        work(&mut |piece| {
            // The other side ends when this one has.
            let _ = filled.send(piece);
            empty.recv().unwrap_or_default()
        })
    })
}
