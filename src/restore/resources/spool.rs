use crate::pipeline::hidden_file;
use std::{fs::File, io, io::Write, os::unix::fs::FileExt};

/// Where an object lies in the spool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    at: u64,
    length: u32,
}

/// The objects' JSON, in a file that has no name: Secrets are among them.
pub(super) struct Spool {
    file: io::BufWriter<File>,
    end: u64,
}

impl Spool {
    /// A spool that will likely hold so many bytes.
    pub(super) fn new(bytes: u64) -> io::Result<Self> {
        let file = hidden_file(bytes, &std::env::temp_dir())?;
        Ok(Spool { file: io::BufWriter::with_capacity(1 << 18, file), end: 0 })
    }

    pub(super) fn keep(&mut self, json: &[u8]) -> io::Result<Place> {
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        self.file.write_all(json)?;
        let place = Place { at: self.end, length };
        self.end += u64::from(length);
        Ok(place)
    }

    /// Makes everything that was kept so far readable.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// An object's JSON, after [`Spool::settle`].
    pub(super) fn get(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut json = vec![0; place.length as usize];
        self.file.get_ref().read_exact_at(&mut json, place.at)?;
        Ok(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let mut spool = Spool::new(10).unwrap();
        let texts: Vec<Vec<u8>> = (0..1000usize).map(|n| vec![b'x'; n]).collect();
        let places: Vec<Place> = texts.iter().map(|text| spool.keep(text).unwrap()).collect();
        spool.settle().unwrap();
        for (text, place) in texts.iter().zip(places).rev() {
            assert_eq!(&spool.get(place).unwrap(), text);
        }
    }
}
