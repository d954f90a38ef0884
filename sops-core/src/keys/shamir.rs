//! Shamir's secret sharing, as SOPS splits a data key over key groups.
//!
//! Over GF(2^8) with the polynomial 0x11B, one random polynomial per byte. A share is the values of the polynomials at
//! x, one byte each, followed by x. Whoever has `threshold` shares has the secret; with fewer, every secret is as likely
//! as any other.

use zeroize::Zeroizing;

use crate::secret::SecretBytes;

/// Splits `secret` into `count` shares, of which any `threshold` recover it.
pub(crate) fn split(
    secret: &SecretBytes,
    count: usize,
    threshold: usize,
) -> Result<Vec<SecretBytes>, ShamirError> {
    if threshold < 2 {
        return Err(ShamirError::ThresholdTooSmall);
    }
    if threshold > count {
        return Err(ShamirError::ThresholdTooLarge { threshold, count });
    }
    if count > usize::from(u8::MAX) {
        return Err(ShamirError::TooManyShares);
    }

    // Row k holds the coefficients of x^(k+1) for all bytes; the constant terms are the secret itself.
    let length = secret.len();
    let mut coefficients = Zeroizing::new(vec![0; length * (threshold - 1)]);
    getrandom::fill(&mut coefficients).map_err(|_| ShamirError::NoRandomness)?;

    let shares = (1..=u8::MAX).take(count).map(|x| {
        let mut share = Vec::with_capacity(length + 1);
        share.resize(length, 0);
        for row in coefficients.rchunks_exact(length.max(1)) {
            for (y, coefficient) in share.iter_mut().zip(row) {
                *y = multiply(*y ^ coefficient, x);
            }
        }
        for (y, constant) in share.iter_mut().zip(secret.expose()) {
            *y ^= constant;
        }
        share.push(x);
        SecretBytes::new(share)
    });
    Ok(shares.collect())
}

/// Recovers a secret from shares. Too few of them, or wrong ones, give another secret, not an error.
pub(crate) fn combine(shares: &[SecretBytes]) -> Result<SecretBytes, ShamirError> {
    let [first, _, ..] = shares else {
        return Err(ShamirError::TooFewShares);
    };
    if first.len() < 2 || shares.iter().any(|share| share.len() != first.len()) {
        return Err(ShamirError::UnequalShares);
    }
    let length = first.len() - 1;
    let positions: Vec<u8> = shares.iter().map(|share| share.expose()[length]).collect();
    if positions.contains(&0) {
        return Err(ShamirError::BadPosition);
    }
    let is_repeated = |(index, x)| positions[..index].contains(x);
    if positions.iter().enumerate().any(is_repeated) {
        return Err(ShamirError::RepeatedShare);
    }

    let mut secret = Zeroizing::new(vec![0; length]);
    for (share, &x) in shares.iter().zip(&positions) {
        let weight = weight_at_zero(x, &positions);
        for (byte, y) in secret.iter_mut().zip(share.expose()) {
            *byte ^= multiply(*y, weight);
        }
    }
    Ok(SecretBytes::new(std::mem::take(&mut *secret)))
}

/// Why a secret could not be split or recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShamirError {
    /// A threshold of one would give the data key to every group.
    #[error("threshold must be at least 2")]
    ThresholdTooSmall,
    /// More groups are asked for than there are.
    #[error("parts cannot be less than threshold: {threshold} of {count} are asked for")]
    ThresholdTooLarge {
        /// How many shares are needed.
        threshold: usize,
        /// How many shares there are.
        count: usize,
    },
    /// There are only 255 places for shares.
    #[error("parts cannot exceed 255")]
    TooManyShares,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// One share recovers nothing.
    #[error("less than two parts cannot be used to reconstruct the secret")]
    TooFewShares,
    /// The shares are not of one secret.
    #[error("all parts must be of the same length, two bytes at least")]
    UnequalShares,
    /// A share says that it is the secret itself.
    #[error("a part has the position 0, which no part can have")]
    BadPosition,
    /// Two shares are for the same place.
    #[error("duplicate part detected")]
    RepeatedShare,
}

/// The Lagrange basis polynomial of `x` over `positions`, at zero.
fn weight_at_zero(x: u8, positions: &[u8]) -> u8 {
    positions
        .iter()
        .filter(|&&other| other != x)
        .fold(1, |product, &other| {
            multiply(product, multiply(other, inverse(other ^ x)))
        })
}

/// Multiplies in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, without branches and tables that depend on the factors.
fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    for _ in 0..8 {
        product ^= a & (b & 1).wrapping_neg();
        a = (a << 1) ^ (0x1b & (a >> 7).wrapping_neg());
        b >>= 1;
    }
    product
}

/// Returns a^254, which is 1/a.
fn inverse(a: u8) -> u8 {
    // 254 = 2 + 4 + 8 + … + 128
    let mut square = a;
    let mut product = 1;
    for _ in 0..7 {
        square = multiply(square, square);
        product = multiply(product, square);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> SecretBytes {
        let bytes = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"));
        SecretBytes::new(bytes.collect())
    }

    #[test]
    fn recovers_what_the_reference_split() {
        let table = include_str!("../../../testdata/keys/shamir.tsv");
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut columns = line.split('\t');
            let secret = bytes(columns.next().expect("the secret"));
            let shares: Vec<_> = columns.map(bytes).collect();
            assert_eq!(
                combine(&shares).expect("combines").expose(),
                secret.expose()
            );
            if shares.len() > 2 {
                let fewer = combine(&shares[1..]).expect("combines");
                assert_ne!(fewer.expose(), secret.expose(), "below the threshold");
            }
        }
    }

    #[test]
    fn any_shares_up_to_the_threshold_recover_the_secret() {
        let secret = SecretBytes::new((100..132).collect());
        for (count, threshold) in [(2, 2), (3, 2), (3, 3), (7, 4), (255, 2), (255, 255)] {
            let mut shares = split(&secret, count, threshold).expect("splits");
            assert_eq!(shares.len(), count);
            for (index, share) in shares.iter().enumerate() {
                assert_eq!(share.len(), 33);
                assert_eq!(usize::from(share.expose()[32]), index + 1);
            }
            shares.rotate_left(count / 2);
            let recovered = combine(&shares[..threshold]).expect("combines");
            assert_eq!(recovered.expose(), secret.expose());
            shares.truncate(threshold - 1);
            if let Ok(other) = combine(&shares) {
                assert_ne!(other.expose(), secret.expose());
            }
        }
    }

    #[test]
    fn bad_thresholds_are_refused() {
        let secret = SecretBytes::new(vec![1; 32]);
        let error = |count, threshold| split(&secret, count, threshold).err();
        assert_eq!(error(2, 0), Some(ShamirError::ThresholdTooSmall));
        assert_eq!(error(2, 1), Some(ShamirError::ThresholdTooSmall));
        assert_eq!(
            error(2, 3),
            Some(ShamirError::ThresholdTooLarge {
                threshold: 3,
                count: 2
            })
        );
        assert_eq!(error(256, 2), Some(ShamirError::TooManyShares));
    }

    #[test]
    fn bad_shares_are_refused() {
        let error = |shares: &[&[u8]]| {
            let shares: Vec<_> = shares
                .iter()
                .map(|share| SecretBytes::new(share.to_vec()))
                .collect();
            combine(&shares).err()
        };
        assert_eq!(error(&[]), Some(ShamirError::TooFewShares));
        assert_eq!(error(&[&[5, 1]]), Some(ShamirError::TooFewShares));
        assert_eq!(
            error(&[&[5, 1], &[5, 5, 2]]),
            Some(ShamirError::UnequalShares)
        );
        assert_eq!(error(&[&[1], &[2]]), Some(ShamirError::UnequalShares));
        assert_eq!(error(&[&[], &[]]), Some(ShamirError::UnequalShares));
        assert_eq!(error(&[&[5, 1], &[6, 1]]), Some(ShamirError::RepeatedShare));
        assert_eq!(error(&[&[5, 0], &[6, 1]]), Some(ShamirError::BadPosition));
    }

    #[test]
    fn every_element_has_its_inverse() {
        assert_eq!(multiply(0x57, 0x83), 0xc1, "the example of FIPS 197");
        for a in 1..=u8::MAX {
            assert_eq!(multiply(a, inverse(a)), 1);
        }
    }
}
