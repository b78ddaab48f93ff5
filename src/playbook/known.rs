//! What was read while a plan was made. Nothing is read twice for one plan; and a change that is carried out right after is
//! written over what the plan saw, without another look: the server refuses it if the object is another one by then.

use super::{actions::Live, op::ObjectRef};
use crate::source::kube::ResourceType;
use serde_json::Value;
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Objects and lists as they were when a plan was made. Secrets are not kept.
#[derive(Default)]
pub struct Known(Mutex<Read>);

#[derive(Default)]
struct Read {
    objects: HashMap<Place, Live>,
    lists: HashMap<Listed, Vec<Live>>,
}

/// Group, resource, namespace and name.
type Place = (String, String, Option<String>, String);

/// Group, resource, namespace and selectors of a list.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Listed {
    kind: (String, String),
    namespace: Option<String>,
    selectors: [Option<String>; 2],
}

impl Listed {
    /// A list of objects of a type, by the selectors for labels and for fields.
    pub(super) fn new(kind: &ResourceType, namespace: Option<&str>, selectors: [Option<&str>; 2]) -> Self {
        Listed {
            kind: (kind.group.clone(), kind.resource.clone()),
            namespace: namespace.map(str::to_owned),
            selectors: selectors.map(|it| it.map(str::to_owned)),
        }
    }
}

fn place(object: &ObjectRef) -> Place {
    let ObjectRef { group, resource, namespace, name, .. } = object;
    (group.clone(), resource.clone(), namespace.clone(), name.clone())
}

impl Known {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object, if it was read.
    pub(super) fn object(&self, kind: &ResourceType, namespace: Option<&str>, name: &str) -> Option<Live> {
        let place = place(&ObjectRef::new(kind, namespace, name, None));
        self.read().objects.get(&place).cloned()
    }

    /// All of an object, if the one with this UID was read.
    pub(super) fn json(&self, object: &ObjectRef) -> Option<Value> {
        let read = self.read();
        let live = read.objects.get(&place(object)).filter(|live| live.object.uid == object.uid)?;
        Some(Value::clone(&live.json))
    }

    /// The same, once: whoever writes it makes it another one.
    pub(super) fn take(&self, object: &ObjectRef) -> Option<Value> {
        let json = self.json(object);
        self.read().objects.remove(&place(object));
        json
    }

    /// An object was read.
    pub(super) fn see(&self, live: &Live) {
        if !live.object.is("", "secrets") {
            self.read().objects.insert(place(&live.object), live.clone());
        }
    }

    /// A list, if it was read.
    pub(super) fn list(&self, listed: &Listed) -> Option<Vec<Live>> {
        self.read().lists.get(listed).cloned()
    }

    /// A list was read to its end.
    pub(super) fn see_list(&self, listed: Listed, found: &[Live]) {
        if listed.kind == (String::new(), "secrets".to_owned()) {
            return;
        }
        let mut read = self.read();
        for live in found {
            read.objects.insert(place(&live.object), live.clone());
        }
        read.lists.insert(listed, found.to_vec());
    }
}

/// Without what was read.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn kind(resource: &str) -> ResourceType {
        let object = ObjectRef {
            group: String::new(),
            version: "v1".into(),
            resource: resource.into(),
            kind: resource.into(),
            namespace: Some("shop".into()),
            name: String::new(),
            uid: None,
        };
        object.resource_type()
    }

    fn live(kind: &ResourceType, name: &str) -> Live {
        let object = ObjectRef::new(kind, Some("shop"), name, Some(name));
        Live { object, json: Arc::new(json!({"metadata": {"name": name}})) }
    }

    #[test]
    fn what_was_listed_is_known_by_name_and_written_once() {
        let (known, pods) = (Known::default(), kind("pods"));
        let listed = || Listed::new(&pods, Some("shop"), [Some("app=web"), None]);
        assert!(known.list(&listed()).is_none());
        known.see_list(listed(), &[live(&pods, "a"), live(&pods, "b")]);
        assert_eq!(known.list(&listed()).unwrap().len(), 2);
        assert!(known.list(&Listed::new(&pods, Some("shop"), [None, None])).is_none());
        let a = known.object(&pods, Some("shop"), "a").unwrap().object;
        assert!(known.object(&pods, Some("other"), "a").is_none());
        let other = ObjectRef { uid: Some("another".into()), ..a.clone() };
        assert!(known.json(&other).is_none(), "another object of its name");
        assert!(known.json(&a).is_some() && known.take(&a).is_some());
        assert!(known.take(&a).is_none() && known.object(&pods, Some("shop"), "a").is_none());
    }

    #[test]
    fn no_secret_is_kept() {
        let (known, secrets) = (Known::default(), kind("secrets"));
        known.see(&live(&secrets, "a"));
        known.see_list(Listed::new(&secrets, None, [None, None]), &[live(&secrets, "b")]);
        assert!(known.list(&Listed::new(&secrets, None, [None, None])).is_none());
        for name in ["a", "b"] {
            assert!(known.object(&secrets, Some("shop"), name).is_none());
        }
    }
}
