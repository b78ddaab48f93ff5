use super::PipelineError;
use bytes::Bytes;

const BLOCK: usize = 512;

/// The two empty blocks that end an archive.
pub const TAR_END: &[u8; 2 * BLOCK] = &[0; 2 * BLOCK];

/// The header of a regular file, as GNU tar writes it: mode 0600, no owner, so that the same objects give the same
/// archive. A path of more than 100 bytes is preceded by a long-name entry.
pub fn tar_header(path: &str, size: u64, seconds: u64) -> Result<Bytes, PipelineError> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(seconds);
    let mut out = Vec::with_capacity(3 * BLOCK);
    if path.len() <= 100 {
        header.set_path(path)?;
    } else {
        let name = [path.as_bytes(), &[0]].concat();
        let mut long = tar::Header::new_gnu();
        long.set_path("././@LongLink")?;
        long.set_entry_type(tar::EntryType::GNULongName);
        long.set_size(name.len() as u64);
        long.set_mode(0o600);
        long.set_mtime(0);
        long.set_cksum();
        out.extend_from_slice(long.as_bytes());
        out.extend_from_slice(&name);
        out.extend_from_slice(&tar_padding(name.len() as u64));
        let cut = (0..=100).rev().find(|&i| path.is_char_boundary(i)).unwrap_or(0);
        header.set_path(path[..cut].trim_end_matches('/'))?;
    }
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    Ok(out.into())
}

/// The zeros that fill the last block of a file of `size` bytes.
pub fn tar_padding(size: u64) -> Bytes {
    let used = (size % BLOCK as u64) as usize;
    Bytes::from_static(&TAR_END[..if used == 0 { 0 } else { BLOCK - used }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    proptest! {
        #[test]
        fn an_archive_reads_back(files in prop::collection::vec(("[a-z%]{1,60}(/[a-z:-]{1,90}){0,3}", "[a-z]{0,1500}"), 0..8)) {
            let mut archive = Vec::new();
            for (path, text) in &files {
                archive.extend_from_slice(&tar_header(&format!("core/{path}x"), text.len() as u64, 7).unwrap());
                archive.extend_from_slice(text.as_bytes());
                archive.extend_from_slice(&tar_padding(text.len() as u64));
            }
            archive.extend_from_slice(TAR_END);
            let mut read = Vec::new();
            for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                read.push((entry.path().unwrap().to_str().unwrap().to_owned(), text));
            }
            let wanted: Vec<_> = files.into_iter().map(|(p, t)| (format!("core/{p}x"), t)).collect();
            prop_assert_eq!(read, wanted);
        }
    }
}
