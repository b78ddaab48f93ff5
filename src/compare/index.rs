//! What a side holds: its objects' places and digests, and nothing of what is in them.

use super::select::Selection;
use crate::{
    catalogue::IndexLine,
    object::{Identity, TypeName},
    point::Digest,
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// What is known of an object without its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) version: Arc<str>,
    pub(super) uid: Box<str>,
    pub(super) sha256: Digest,
}

/// The objects of a side that are compared.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) entries: BTreeMap<Identity, Entry>,
    kinds: HashSet<TypeName>,
    texts: HashSet<Arc<str>>,
    /// Lines that are none: the first of them.
    pub(super) wrong: Option<String>,
}

impl Index {
    /// Takes a line of an index in, if its object is read at all.
    pub(super) fn add_line(&mut self, line: IndexLine, selection: &Selection) {
        match Identity::of_path(&line.path) {
            None => {
                self.wrong.get_or_insert(format!(
                    "the index names {:?}, which is not the path of an object",
                    line.path
                ));
            }
            Some((object, version)) if selection.reads(&object) => {
                self.add(object, &version, &line.uid, line.sha256);
            }
            Some(_) => {}
        }
    }

    /// Takes an object in. Texts that many objects have in common are kept once.
    pub(super) fn add(&mut self, mut object: Identity, version: &str, uid: &str, sha256: Digest) {
        match self.kinds.get(&object.kind) {
            Some(known) => object.kind = known.clone(),
            None => drop(self.kinds.insert(object.kind.clone())),
        }
        object.namespace = object.namespace.map(|namespace| self.once(&namespace));
        let entry = Entry { version: self.once(version), uid: uid.into(), sha256 };
        self.entries.insert(object, entry);
    }

    fn once(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    /// Gives everything back, to begin again.
    pub(super) fn clear(&mut self) {
        *self = Index::default();
    }
}
