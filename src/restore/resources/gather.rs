use super::{
    Options, ResourcesError, Target,
    definitions::Definitions,
    directory::{DirectoryError, Found, read_directory},
    spool::{Place, Spool},
};
use crate::{
    catalogue::Catalogue,
    object::{Identity, Owner, TypeName, left_out, made_again, outline, owners},
    pipeline::Identities,
    point::{ArtifactKind, Digest, Manifest},
};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Where objects are restored from.
pub enum From<'a> {
    /// A recovery point.
    Point {
        /// The catalogue that it is in.
        catalogue: &'a Catalogue,
        /// The point.
        manifest: &'a Manifest,
        /// The keys that open it.
        identities: Arc<Identities>,
    },
    /// Files of JSON or YAML.
    Directory(&'a Path),
}

/// One saved object.
pub(super) struct Saved {
    pub(super) identity: Identity,
    pub(super) version: String,
    pub(super) place: Place,
    pub(super) owners: Vec<Owner>,
    /// Why it is not restored, though it was asked for.
    pub(super) left: Option<(String, Option<String>)>,
    /// It was not asked for: it comes along if others need it.
    pub(super) reserve: bool,
}

/// The objects that were asked for, and those that others may need.
pub struct Gathered {
    pub(super) objects: Vec<Saved>,
    pub(super) spool: Spool,
    /// Every object that there is, by the UID it had.
    pub(super) uids: HashMap<Box<str>, Identity>,
    pub(super) definitions: Definitions,
    /// What they were taken from.
    pub source: String,
    /// What tells that source from any other: SHA-256 of the archive, or of everything read.
    pub digest: Digest,
    /// Objects that there are, and were not asked for.
    pub passed_over: u64,
}

/// Types of which an object comes along where one that was asked for needs it.
const NEEDED: &[(&str, &str)] =
    &[("", "namespaces"), ("", "persistentvolumes"), ("apiextensions.k8s.io", "customresourcedefinitions")];

/// Reads everything once, and keeps what was asked for.
///
/// # Errors
/// When something cannot be read, is not what was saved, or is no object.
pub async fn gather(
    from: &From<'_>,
    target: &Target,
    options: &Options,
    now: Timestamp,
) -> Result<Gathered, ResourcesError> {
    match from {
        From::Point { catalogue, manifest, identities } => {
            let artifact = manifest.artifact(&ArtifactKind::Resources);
            let bytes = artifact.map_or(0, |it| it.plain_bytes);
            let digest = artifact.map_or_else(|| Digest::from(Sha256::digest([])), |it| it.plain_sha256);
            let gathering = Gathering::new(Spool::new(bytes)?, options, now);
            let shared = Arc::new(Mutex::new((gathering, None::<ResourcesError>)));
            let into = shared.clone();
            let visit = move |path: &str, place, json: &[u8]| {
                let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
                let (identity, version) = Identity::of_place(place);
                if into.1.is_none()
                    && let Err(e) = into.0.add(identity, version, json, path)
                {
                    into.1 = Some(e);
                }
            };
            catalogue.each_object(manifest, identities.clone(), visit).await?;
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(error) = shared.1.take() {
                return Err(error);
            }
            let empty = Gathering::new(Spool::new(0)?, options, now);
            std::mem::replace(&mut shared.0, empty).finish(manifest.id.to_string(), digest)
        }
        From::Directory(root) => {
            let mut gathering = Gathering::new(Spool::new(1 << 20)?, options, now);
            let digest = gathering.directory(root, target)?;
            gathering.finish(root.display().to_string(), digest)
        }
    }
}

/// Every type of which a recovery point tells.
pub fn saved_types(manifest: &Manifest) -> Vec<TypeName> {
    let facts = manifest.artifact(&ArtifactKind::Resources).and_then(|it| it.resources.as_ref());
    let labels = facts.into_iter().flat_map(|facts| facts.counts.keys());
    labels.filter_map(|label| TypeName::of_label(label)).map(|(kind, _)| kind).collect()
}

/// The types that the definitions in a directory bring.
///
/// # Errors
/// When something in it cannot be read, or is no object.
pub fn defined_in(root: &Path) -> Result<Vec<TypeName>, ResourcesError> {
    let mut definitions = Definitions::default();
    read_directory(root, &mut |object| {
        if object.kind == "CustomResourceDefinition" {
            definitions.add(&serde_json::from_slice(&object.json).unwrap_or_default(), 0);
        }
        Ok(())
    })
    .map_err(|e| ResourcesError::Asked(e.to_string()))?;
    Ok(definitions.types().cloned().collect())
}

struct Gathering {
    options: Options,
    now: Timestamp,
    gathered: Gathered,
}

impl Gathering {
    fn new(spool: Spool, options: &Options, now: Timestamp) -> Self {
        let gathered = Gathered {
            objects: Vec::new(),
            spool,
            uids: HashMap::new(),
            definitions: Definitions::default(),
            source: String::new(),
            digest: Digest::from(Sha256::digest([])),
            passed_over: 0,
        };
        Gathering { options: options.clone(), now, gathered }
    }

    fn add(
        &mut self,
        identity: Identity,
        version: String,
        json: &[u8],
        place: &str,
    ) -> Result<(), ResourcesError> {
        let wrong = |reason: String| ResourcesError::Object { place: place.to_owned(), reason };
        let object = outline(json)
            .map_err(|e| wrong(format!("it is not JSON (line {}, column {})", e.line(), e.column())))?;
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            self.gathered.uids.insert(uid.into(), identity.clone());
        }
        let wanted = self.options.select.wants(&identity, &object);
        let needed = NEEDED.iter().any(|(group, resource)| identity.kind.is(group, resource));
        if !(wanted || needed && self.options.select.brings_along()) {
            self.gathered.passed_over += 1;
            return Ok(());
        }
        let left = left_out(&identity.kind, &object, self.now).map(|why| (why.to_string(), None));
        let left = left.or_else(|| {
            let owner = made_again(&identity.kind, &object)?;
            Some(("its controller makes it again".to_owned(), Some(format!("{} {}", owner.kind, owner.name))))
        });
        let left = left.or_else(|| {
            let why = self.options.terms.as_ref()?.refuses(&identity)?;
            Some((why.to_owned(), None))
        });
        self.gathered.objects.push(Saved {
            version,
            place: self.gathered.spool.keep(json)?,
            owners: owners(&object),
            left,
            reserve: !wanted,
            identity,
        });
        Ok(())
    }

    /// What a directory holds: the types of its objects are known when all definitions are.
    fn directory(&mut self, root: &Path, target: &Target) -> Result<Digest, ResourcesError> {
        let mut spool = Spool::new(1 << 20)?;
        let mut found: Vec<(Found, Place)> = Vec::new();
        let mut definitions = Definitions::default();
        let mut all = Sha256::new();
        read_directory(root, &mut |mut object| {
            let json = std::mem::take(&mut object.json);
            all.update(&json);
            if object.kind == "CustomResourceDefinition" {
                definitions.add(&serde_json::from_slice(&json).unwrap_or_default(), 0);
            }
            let place = spool.keep(&json).map_err(|e| DirectoryError::Refused(e.to_string()))?;
            found.push((object, place));
            Ok(())
        })
        .map_err(|e| ResourcesError::Asked(e.to_string()))?;
        spool.settle()?;
        for (object, place) in found {
            let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
            let kind = target
                .of_kind(group, &object.kind)
                .or_else(|| definitions.of_kind(group, &object.kind))
                .map(|(name, kind)| (name.clone(), kind.namespaced));
            let at = format!("{} (document {})", object.file.display(), object.document);
            let wrong = |reason| ResourcesError::Object { place: at.clone(), reason };
            let Some((kind, namespaced)) = kind else {
                return Err(wrong(format!(
                    "the cluster serves no {} {}, and no definition of it lies beside it",
                    object.api_version, object.kind
                )));
            };
            match (namespaced, &object.namespace) {
                (true, None) => {
                    return Err(wrong(format!(
                        "a {} lives in a namespace, and this one names none: write metadata.namespace",
                        object.kind
                    )));
                }
                (false, Some(_)) => {
                    let text =
                        "a {} lives in no namespace, and this one names one: remove metadata.namespace";
                    return Err(wrong(text.replace("{}", &object.kind)));
                }
                _ => {}
            }
            let identity = Identity::new(kind, object.namespace.as_deref(), &object.name);
            self.add(identity, version.to_owned(), &spool.get(place)?, &at)?;
        }
        Ok(Digest::from(all.finalize()))
    }

    fn finish(mut self, source: String, digest: Digest) -> Result<Gathered, ResourcesError> {
        self.complete_namespaces()?;
        self.gathered.spool.settle()?;
        self.gathered.objects.sort_by(|a, b| a.identity.cmp(&b.identity));
        self.gathered.rediscover()?;
        Ok(Gathered { source, digest, ..self.gathered })
    }

    /// A namespace that objects live in and that was not saved comes along empty.
    fn complete_namespaces(&mut self) -> Result<(), ResourcesError> {
        let namespaces = TypeName::new("", "namespaces");
        let mut lacking: HashSet<Arc<str>> =
            self.gathered.objects.iter().filter_map(|it| it.identity.namespace.clone()).collect();
        for object in self.gathered.objects.iter().filter(|it| it.identity.kind == namespaces) {
            lacking.remove(&*object.identity.name);
        }
        for name in lacking {
            let bare = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": &*name}});
            self.gathered.objects.push(Saved {
                identity: Identity::new(namespaces.clone(), None, &name),
                version: "v1".to_owned(),
                place: self.gathered.spool.keep(bare.to_string().as_bytes())?,
                owners: Vec::new(),
                left: None,
                reserve: true,
            });
        }
        Ok(())
    }
}

impl Gathered {
    /// Which definition lies where, once the objects have their places.
    fn rediscover(&mut self) -> Result<(), ResourcesError> {
        let mut definitions = Definitions::default();
        for (at, object) in self.objects.iter().enumerate() {
            if object.identity.kind.is("apiextensions.k8s.io", "customresourcedefinitions") {
                let json = self.spool.get(object.place)?;
                definitions.add(&serde_json::from_slice(&json).unwrap_or_default(), at);
            }
        }
        self.definitions = definitions;
        Ok(())
    }

    /// How many objects were asked for.
    pub fn wanted(&self) -> usize {
        self.objects.iter().filter(|object| !object.reserve).count()
    }
}
