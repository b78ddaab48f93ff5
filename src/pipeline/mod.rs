//! Bytes to bytes: digest, compress, encrypt and back again, and the signature over a manifest.
//!
//! [`seal`] and [`open`] are each other's inverse. Both run on a thread of their own between bounded channels, so
//! that memory does not grow with the input and back-pressure reaches the source. No plaintext touches a disk here,
//! but in a file without a name where another program has to read it and memory is short.

mod digest;
mod encrypt;
mod error;
mod hidden;
mod open;
mod pack;
mod seal;
mod sign;
mod tar;

pub use encrypt::{Identities, Recipients, generate_identity};
pub use error::PipelineError;
pub use hidden::hidden_file;
pub use open::{Opened, Origin, Sum, open, proves_identity};
#[cfg(test)]
pub(crate) use pack::unpacked;
pub use pack::{Packed, pack};
pub use seal::{Feed, SealOptions, Sealed, SealedStream, Sealing, seal};
pub use sign::{Signer, Verifier, generate_signing_key};
pub use tar::{TAR_END, tar_header, tar_padding};
