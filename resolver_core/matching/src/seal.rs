//! Sealing of values under a data key: XChaCha20-Poly1305.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

use crate::error::{CoreError, CoreResult, same_length};

const NONCE: usize = 24;

fn cipher(key: &[u8]) -> CoreResult<XChaCha20Poly1305> {
    XChaCha20Poly1305::new_from_slice(key).map_err(|_| CoreError::input("key", "not 32 bytes"))
}

/// Seals each value: nonce ‖ ciphertext ‖ tag. A nonce must never repeat under one key. O(total bytes).
///
/// # Errors
/// `Input` for a key that is not 32 bytes, a nonce that is not 24, or columns of different lengths.
pub fn seal(key: &[u8], nonces: &[&[u8]], contexts: &[&[u8]], values: &[&[u8]]) -> CoreResult<Vec<Vec<u8>>> {
    let cipher = cipher(key)?;
    same_length("nonces", nonces.len(), values.len())?;
    same_length("contexts", contexts.len(), values.len())?;
    let one = |row: usize| {
        let nonce =
            XNonce::try_from(nonces[row]).map_err(|_| CoreError::input("nonces", "holds one that is not 24 bytes"))?;
        let payload = Payload { msg: values[row], aad: contexts[row] };
        let ciphertext =
            cipher.encrypt(&nonce, payload).map_err(|_| CoreError::input("values", "holds one that is too long"))?;
        Ok([nonces[row], &ciphertext].concat())
    };
    (0..values.len()).map(one).collect()
}

/// Opens what [`seal`] made. O(total bytes).
///
/// # Errors
/// `Seal` if key, context or bytes differ; `Input` for a key that is not 32 bytes or columns of different lengths.
pub fn unseal(key: &[u8], contexts: &[&[u8]], sealed: &[&[u8]]) -> CoreResult<Vec<Vec<u8>>> {
    let cipher = cipher(key)?;
    same_length("contexts", contexts.len(), sealed.len())?;
    let one = |row: usize| {
        let closed = CoreError::Seal { index: row };
        let (nonce, ciphertext) = sealed[row].split_at_checked(NONCE).ok_or_else(|| closed.clone())?;
        let nonce = XNonce::try_from(nonce).map_err(|_| closed.clone())?;
        cipher.decrypt(&nonce, Payload { msg: ciphertext, aad: contexts[row] }).map_err(|_| closed)
    };
    (0..sealed.len()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_under_its_key_and_context() {
        let key = [1; 32];
        let sealed = seal(&key, &[&[2; NONCE]], &[b"record"], &[b"Jane"]).expect("valid");
        assert_eq!(sealed[0].len(), NONCE + 4 + 16);
        assert_eq!(unseal(&key, &[b"record"], &[&sealed[0]]), Ok(vec![b"Jane".to_vec()]));
        let refused = Err(CoreError::Seal { index: 0 });
        assert_eq!(unseal(&key, &[b"other"], &[&sealed[0]]), refused);
        assert_eq!(unseal(&[3; 32], &[b"record"], &[&sealed[0]]), refused);
        assert_eq!(unseal(&key, &[b"record"], &[&sealed[0][..30]]), refused);
        assert_eq!(unseal(&key, &[b"record"], &[b"short"]), refused);
    }

    #[test]
    fn refusals_name_the_argument() {
        assert!(matches!(seal(&[0; 31], &[], &[], &[]), Err(CoreError::Input { argument: "key", .. })));
        assert!(matches!(seal(&[0; 32], &[b"n"], &[b""], &[b""]), Err(CoreError::Input { argument: "nonces", .. })));
    }
}
