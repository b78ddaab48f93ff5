use super::{Identities, PipelineError};
use crate::point::Digest;
use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream::BoxStream};
use sha2::{Digest as _, Sha256};
use std::{
    io::{self, Read, Write},
    sync::mpsc,
};
use tokio::{runtime::Handle, sync::mpsc as passing};

/// Decrypted bytes pass between the two threads in pieces of this size, a few at a time.
const PIECE: usize = 256 << 10;
const PIECES_WAITING: usize = 4;

/// The stored bytes of an artifact, read by a thread that may block.
pub struct Origin {
    /// Chunks, and `None` behind the last one.
    chunks: passing::Receiver<Option<io::Result<Bytes>>>,
    current: Bytes,
    ended: bool,
}

impl Origin {
    /// Reads from `stream`, driven by a task of `runtime`: the blocking thread itself must not poll it, since the runtime may
    /// be gone before the thread is. It must be read outside of the runtime's own threads.
    pub fn new(mut stream: BoxStream<'static, io::Result<Bytes>>, runtime: &Handle) -> Self {
        let (to, chunks) = passing::channel(PIECES_WAITING);
        runtime.spawn(async move {
            while let Some(chunk) = stream.next().await {
                if to.send(Some(chunk)).await.is_err() {
                    return;
                }
            }
            let _ = to.send(None).await;
        });
        Origin { chunks, current: Bytes::new(), ended: false }
    }
}

impl Read for Origin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.chunks.blocking_recv() {
                Some(Some(chunk)) => self.current = chunk?,
                Some(None) => self.ended = true,
                None => return Err(io::Error::other("the program ends: nobody reads the store any more")),
            }
        }
        let n = buf.len().min(self.current.len());
        self.current.copy_to_slice(&mut buf[..n]);
        Ok(n)
    }
}

/// Size and digest of bytes that went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

/// What opening an artifact found.
#[derive(Debug)]
pub struct Opened {
    /// The bytes in the store, all of them, also when they could not be opened.
    pub stored: Sum,
    /// The plaintext, or why it could not be had.
    pub plain: Result<Sum, PipelineError>,
}

/// Opens an artifact: decrypts and decompresses `stored` into `plain`, and digests both. It blocks, and keeps
/// three more threads busy with decryption, decompression and the digest. The plaintext must not be believed before the digests have been
/// compared; more than `limit` bytes of it are refused.
///
/// # Errors
/// Only those of reading the store. What is wrong with the bytes is in [`Opened::plain`].
pub fn open<R: Read + Send, W: Write>(
    stored: R,
    identities: &Identities,
    limit: u64,
    plain: W,
) -> Result<Opened, PipelineError> {
    let (to_decompress, decrypted) = mpsc::sync_channel(PIECES_WAITING);
    let (to_digest, decompressed) = mpsc::sync_channel(PIECES_WAITING);
    let (to_write, digested) = mpsc::sync_channel(PIECES_WAITING);
    let (decrypting, decompressing, written) = std::thread::scope(|scope| {
        let decrypting = scope.spawn(move || decrypt(stored, identities, to_decompress));
        let pieces = Pieces { receive: decrypted, current: Vec::new(), at: 0 };
        let decompressing = scope.spawn(move || decompress(pieces, limit, to_digest));
        let digesting = scope.spawn(move || digest(decompressed, to_write));
        let written = write(digested, plain);
        let digesting = digesting.join().map_err(|_| PipelineError::Aborted);
        let written = written.and(digesting);
        let decrypting = decrypting.join().unwrap_or(Err(PipelineError::Aborted));
        (decrypting, decompressing.join().unwrap_or(Err(PipelineError::Aborted)), written)
    });
    let (stored, decrypting) = decrypting?;
    // Each stage that fails stops the others, so that the one whose reason counts is asked first: the writer, then the
    // ciphertext, which explains what the decompressor had to complain about, but for too much plaintext.
    let plain = match (written, decrypting, decompressing) {
        (Err(e), ..) | (_, _, Err(e @ PipelineError::TooLong(_))) | (_, Err(e), _) | (_, _, Err(e)) => Err(e),
        (Ok(sum), Ok(()), Ok(())) => Ok(sum),
    };
    Ok(Opened { stored, plain })
}

/// Proves that one of the identities opens an artifact, by its header and its first bytes only.
pub fn proves_identity<R: Read>(stored: R, identities: &Identities) -> Result<(), PipelineError> {
    let mut magic = [0; 4];
    let damaged = |e: io::Error| PipelineError::Decrypt(e.to_string());
    identities.decrypt(stored)?.read_exact(&mut magic).map_err(damaged)?;
    // RFC 8878, 3.1.1: a zstd frame begins with this number.
    if magic == 0xFD2F_B528_u32.to_le_bytes() {
        Ok(())
    } else {
        Err(PipelineError::Decompress("it does not begin like a zstd frame".into()))
    }
}

type Piece = Vec<u8>;

fn decrypt<R: Read>(
    stored: R,
    identities: &Identities,
    to: mpsc::SyncSender<Piece>,
) -> Result<(Sum, Result<(), PipelineError>), PipelineError> {
    let mut tap = Tap { inner: stored, digest: Sha256::new(), bytes: 0, failed: None };
    let result = (|| {
        let mut plain = identities.decrypt(&mut tap)?;
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let n = (&mut plain).take(PIECE as u64).read_to_end(&mut piece);
            let n = n.map_err(|e| PipelineError::Decrypt(e.to_string()))?;
            // A receiver that went away has its own reason, which is the one to report.
            if n == 0 || to.send(piece).is_err() {
                return Ok(());
            }
        }
    })();
    drop(to);
    if tap.failed.is_none() {
        // The stored digest covers every byte, also those behind the place where decryption gave up.
        let _ = io::copy(&mut tap, &mut io::sink());
    }
    match tap.failed {
        Some(e) => Err(PipelineError::Io(e)),
        None => Ok((Sum { bytes: tap.bytes, sha256: tap.digest.finalize().into() }, result)),
    }
}

fn decompress(pieces: Pieces, limit: u64, to: mpsc::SyncSender<Piece>) -> Result<(), PipelineError> {
    let damaged = |e: io::Error| PipelineError::Decompress(e.to_string());
    let mut decoder = zstd::stream::read::Decoder::with_buffer(pieces).map_err(damaged)?;
    let mut left = limit;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let n = (&mut decoder).take(PIECE as u64).read_to_end(&mut piece).map_err(damaged)?;
        left = left.checked_sub(n as u64).ok_or(PipelineError::TooLong(limit))?;
        // A writer that went away has its own reason, which is the one to report.
        if n == 0 || to.send(piece).is_err() {
            return Ok(());
        }
    }
}

fn digest(pieces: mpsc::Receiver<Piece>, to: mpsc::SyncSender<Piece>) -> Sum {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    for piece in pieces {
        bytes += piece.len() as u64;
        digest.update(&piece);
        // A writer that went away has its own reason, which is the one to report.
        if to.send(piece).is_err() {
            break;
        }
    }
    Sum { bytes, sha256: digest.finalize().into() }
}

fn write<W: Write>(pieces: mpsc::Receiver<Piece>, mut plain: W) -> Result<(), PipelineError> {
    for piece in pieces {
        plain.write_all(&piece)?;
    }
    Ok(plain.flush()?)
}

/// Digests what is read through it and remembers why reading failed.
struct Tap<R> {
    inner: R,
    digest: Sha256,
    bytes: u64,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buf) {
            Ok(n) => {
                self.digest.update(&buf[..n]);
                self.bytes += n as u64;
                Ok(n)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Err(e) => {
                let told = io::Error::new(e.kind(), e.to_string());
                self.failed = Some(e);
                Err(told)
            }
        }
    }
}

struct Pieces {
    receive: mpsc::Receiver<Piece>,
    current: Piece,
    at: usize,
}

impl io::BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.current.len() {
            self.current = self.receive.recv().unwrap_or_default();
            self.at = 0;
        }
        Ok(&self.current[self.at..])
    }
    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let ready = io::BufRead::fill_buf(self)?;
        let n = ready.len().min(buf.len());
        buf[..n].copy_from_slice(&ready[..n]);
        io::BufRead::consume(self, n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Recipients, SealOptions, generate_identity, seal};
    use super::*;
    use futures_util::TryStreamExt;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn identity() -> (Identities, String) {
        let (secret, recipient) = generate_identity();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), secret.expose_secret()).unwrap();
        (Identities::from_files(&[file.path()]).unwrap(), recipient)
    }

    fn sealed(plain: &[u8], recipients: &[String], chunk: usize) -> (Vec<u8>, super::super::Sealed) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let recipients = Recipients::new(recipients).unwrap();
            let (mut feed, stream, sealing) = seal(&recipients, SealOptions::default());
            let feeding = async {
                for chunk in plain.chunks(chunk) {
                    feed.write(chunk).await.unwrap();
                }
                feed.finish().await.unwrap();
            };
            let (_, parts) = tokio::join!(feeding, stream.try_collect::<Vec<Bytes>>());
            (parts.unwrap().concat(), sealing.result().await.unwrap())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn open_is_the_inverse_of_seal(plain in prop::collection::vec(0u8..4, 0..300_000), chunk in 1usize..70_000) {
            let ((key_a, a), (key_b, b)) = (identity(), identity());
            let (stored, sums) = sealed(&plain, &[a, b], chunk);
            for key in [&key_a, &key_b] {
                let mut out = Vec::new();
                let opened = open(stored.as_slice(), key, plain.len() as u64, &mut out).unwrap();
                prop_assert_eq!(&out, &plain);
                prop_assert_eq!(opened.stored, Sum { bytes: sums.stored_bytes, sha256: sums.stored_sha256 });
                prop_assert_eq!(opened.plain.unwrap(), Sum { bytes: sums.plain_bytes, sha256: sums.plain_sha256 });
            }
            prop_assert!(proves_identity(stored.as_slice(), &key_a).is_ok());
        }
    }

    #[test]
    fn damage_is_named_and_nothing_panics() {
        let (key, recipient) = identity();
        let plain: Vec<u8> = (0..200_000u32).flat_map(|i| (i % 251).to_le_bytes()).collect();
        let (stored, sums) = sealed(&plain, &[recipient], 32 << 10);
        for at in (0..stored.len()).step_by(stored.len() / 150) {
            let mut changed = stored.clone();
            changed[at] ^= 1;
            let opened = open(changed.as_slice(), &key, u64::MAX, io::sink()).unwrap();
            assert!(opened.plain.is_err(), "byte {at}");
            assert_ne!(opened.stored.sha256, sums.stored_sha256);
            assert!(open(&stored[..at], &key, u64::MAX, io::sink()).unwrap().plain.is_err(), "cut at {at}");
        }
        let (other, _) = identity();
        let wrong = open(stored.as_slice(), &other, u64::MAX, io::sink()).unwrap();
        assert!(matches!(wrong.plain, Err(PipelineError::WrongIdentity)), "{wrong:?}");
        assert!(matches!(proves_identity(stored.as_slice(), &other), Err(PipelineError::WrongIdentity)));
        let short = open(stored.as_slice(), &key, 1000, io::sink()).unwrap();
        assert!(matches!(short.plain, Err(PipelineError::TooLong(1000))), "{short:?}");
    }

    #[test]
    fn a_reader_outlives_the_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let slow = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
            Some((Ok(Bytes::from_static(b"late")), ()))
        });
        let mut origin = Origin::new(slow.boxed(), runtime.handle());
        runtime.block_on(tokio::task::yield_now());
        let reading = std::thread::spawn(move || origin.read(&mut [0; 4]));
        drop(runtime);
        assert!(reading.join().unwrap().is_err());
    }

    #[tokio::test]
    async fn a_feed_that_is_dropped_ends_in_an_error() {
        let (_, recipient) = identity();
        let (mut feed, stream, sealing) =
            seal(&Recipients::new(&[recipient]).unwrap(), SealOptions::default());
        feed.write(b"half").await.unwrap();
        drop(feed);
        assert!(stream.try_collect::<Vec<Bytes>>().await.is_err());
        assert!(matches!(sealing.result().await, Err(PipelineError::Aborted)));
    }
}
