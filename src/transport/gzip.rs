//! Bodies, packed and unpacked. What a packed body unpacks to is counted while it does: a small body can
//! unpack to more than there is memory.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::{GzEncoder, MultiGzDecoder as Decoder};
use futures_util::stream::{self, StreamExt};

use crate::engine::object::Chunks;
use crate::error::Error;

/// Shorter bodies are sent as they are: packing them saves no packet.
pub const WORTH_PACKING: usize = 1024;

/// `bytes`, packed.
pub fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// What `bytes` unpack to, or `None` if that is more than `most` bytes.
///
/// # Errors
/// Where they are not packed so, or not wholly there.
pub fn unpack(bytes: &[u8], most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut unpacked = Vec::new();
    let one_more = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes)
        .take(one_more)
        .read_to_end(&mut unpacked)?;
    Ok(Some(unpacked).filter(|unpacked| unpacked.len() <= most))
}

/// Unpacks a body as it comes.
pub struct Unpacker(Decoder<Vec<u8>>);

impl Default for Unpacker {
    fn default() -> Self {
        Self(Decoder::new(Vec::new()))
    }
}

impl Unpacker {
    /// This many bytes at one time unpack to a few megabytes at most.
    pub const PIECE: usize = 4096;

    /// What the next bytes unpack to; nothing where more are needed.
    ///
    /// # Errors
    /// Where they are not packed so.
    pub fn feed(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(bytes)?;
        self.0.flush()?;
        Ok(std::mem::take(self.0.get_mut()))
    }

    /// The rest, after the last bytes.
    ///
    /// # Errors
    /// Where the body was not wholly there.
    pub fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.0.try_finish()?;
        Ok(std::mem::take(self.0.get_mut()))
    }
}

/// The bytes of a body that comes packed.
pub fn unpacked(packed: Chunks) -> Chunks {
    let state = Some((packed, Unpacker::default(), Bytes::new()));
    let pieces = stream::try_unfold(state, |state| async move {
        let Some((mut packed, mut unpacker, mut waiting)) = state else {
            return Ok(None);
        };
        if waiting.is_empty() {
            let Some(piece) = packed.next().await.transpose()? else {
                let rest = unpacker.finish().map_err(badly_packed)?;
                return Ok(Some((Bytes::from(rest), None)));
            };
            waiting = piece;
        }
        let piece = waiting.split_to(waiting.len().min(Unpacker::PIECE));
        let bytes = unpacker.feed(&piece).map_err(badly_packed)?;
        Ok(Some((
            Bytes::from(bytes),
            Some((packed, unpacker, waiting)),
        )))
    });
    pieces.boxed()
}

fn badly_packed(error: io::Error) -> Error {
    let what = "the answer is not packed with gzip as it says; nothing of it is kept";
    Error::sync("unpack an answer", what).caused_by(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_packed_unpacks_to_itself() {
        let bytes = b"photos and notes ".repeat(100);
        let packed = pack(&bytes).unwrap();
        assert!(packed.len() < bytes.len() / 5);
        assert_eq!(unpack(&packed, bytes.len()).unwrap(), Some(bytes));
    }

    #[test]
    fn a_body_that_unpacks_to_too_much_is_not_unpacked_to_its_end() {
        let bomb = pack(&vec![0; 50_000_000]).unwrap();
        assert!(bomb.len() < 1_000_000);
        assert_eq!(unpack(&bomb, 1_000_000).unwrap(), None);
    }

    #[test]
    fn half_a_packed_body_is_an_error() {
        let packed = pack(&b"0123456789".repeat(100)).unwrap();
        let (half, _) = packed.split_at(packed.len() / 2);
        assert!(unpack(half, 1_000_000).is_err());
        assert!(unpack(b"plain", 1_000_000).is_err());
    }

    #[test]
    fn a_body_is_unpacked_as_it_comes() {
        let bytes = b"photos and notes ".repeat(10_000);
        let packed = pack(&bytes).unwrap();
        let mut unpacker = Unpacker::default();
        let mut whole = Vec::new();
        for piece in packed.chunks(7) {
            whole.extend(unpacker.feed(piece).unwrap());
        }
        whole.extend(unpacker.finish().unwrap());
        assert_eq!(whole, bytes);
        let mut half = Unpacker::default();
        half.feed(&packed[..packed.len() / 2]).unwrap();
        assert!(half.finish().is_err());
        assert!(Unpacker::default().feed(b"plain as it is").is_err());
    }
}
