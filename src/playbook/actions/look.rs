//! How actions look at a cluster.

use super::{ActionError, Planning};
use crate::{
    object::{TypeName, Unresolved, resolve},
    playbook::{known::Listed, op::ObjectRef},
    source::kube::{Cluster, LiveObject, Refusal, ResourceType},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// An object that an argument names: `${params.pod}`, an entry of what `resource.find` brought, or a mapping that is written out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its kind, or its type as kubectl takes it.
    pub kind: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its UID: an object of the same name with another UID is refused.
    #[serde(default)]
    pub uid: Option<String>,
    /// Its API version, where several groups have this kind.
    #[serde(default)]
    pub api_version: Option<String>,
}

/// An object as it is now.
#[derive(Clone)]
pub struct Live {
    /// Which.
    pub object: ObjectRef,
    /// All of it.
    pub json: Arc<Value>,
}

/// Without the JSON: it may be a Secret.
impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Live").field(&self.object.to_string()).finish()
    }
}

impl Live {
    /// As expressions see it: what names it, its labels and annotations, `spec` and `status`, and what is asked most. The values of a
    /// Secret are not there.
    pub fn to_value(&self) -> Value {
        let mut value = self.object.to_value();
        let metadata = &self.json["metadata"];
        for name in ["labels", "annotations"] {
            value[name] = if metadata[name].is_object() { metadata[name].clone() } else { json!({}) };
        }
        if let Some(noted) = value["annotations"].as_object_mut() {
            // It repeats the whole object, Secrets too.
            noted.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        value["owners"] = metadata["ownerReferences"].as_array().cloned().unwrap_or_default().into();
        if !self.object.is("", "secrets") {
            for name in ["spec", "status"] {
                value[name] = if self.json[name].is_object() { self.json[name].clone() } else { json!({}) };
            }
        }
        if self.object.is("", "pods") {
            for name in ["hostNetwork", "hostPID", "hostIPC"] {
                if !self.json["spec"][name].is_boolean() {
                    value["spec"][name] = false.into();
                }
            }
            value["isMirror"] = self.is_mirror_pod().into();
        }
        if self.object.is("", "nodes") {
            let labels = &metadata["labels"];
            let control = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
            value["isControlPlane"] = control.iter().any(|name| !labels[*name].is_null()).into();
        }
        value
    }

    /// Does a kubelet run it out of a file? Then the API server cannot hold it.
    pub fn is_mirror_pod(&self) -> bool {
        !self.json["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null()
    }

    /// Its labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.json["metadata"]["labels"].as_object();
        labels.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// The controller that owns it: its kind, name and UID.
    pub fn controller(&self) -> Option<(&str, &str, &str)> {
        let owners = self.json["metadata"]["ownerReferences"].as_array()?;
        let owner = owners.iter().find(|owner| owner["controller"] == true)?;
        Some((owner["kind"].as_str()?, owner["name"].as_str()?, owner["uid"].as_str()?))
    }
}

impl<'a> Planning<'a> {
    /// The cluster.
    ///
    /// # Errors
    /// When the playbook runs on a host.
    pub fn cluster(&self) -> Result<&'a Cluster, ActionError> {
        self.cluster.ok_or_else(|| {
            ActionError::Refused("it needs an API server, and this playbook runs on a host".into())
        })
    }

    /// The type that is called so: a kind, or a type as kubectl takes it.
    ///
    /// # Errors
    /// When the server has none, or several.
    pub fn kind(&self, called: &str, api_version: Option<&str>) -> Result<&'a ResourceType, ActionError> {
        let group = api_version.map(|it| it.split_once('/').map_or("", |(group, _)| group));
        let of_group = |kind: &&ResourceType| group.is_none_or(|group| kind.group == group);
        let by_kind: Vec<&ResourceType> =
            self.kinds.types.iter().filter(of_group).filter(|kind| kind.kind == called).collect();
        if let [only] = by_kind.as_slice() {
            return Ok(only);
        }
        let names: Vec<TypeName> = self
            .kinds
            .types
            .iter()
            .filter(of_group)
            .map(|kind| TypeName::new(&kind.group, &kind.resource))
            .collect();
        match resolve(called, &names) {
            Ok(name) => self
                .kinds
                .find(&name.group, &name.resource)
                .ok_or_else(|| ActionError::Refused(format!("the API server does not serve {name}"))),
            Err(Unresolved::Unknown) => {
                Err(ActionError::Refused(format!("the API server has no type `{called}`")))
            }
            Err(Unresolved::Ambiguous(several)) => {
                let several: Vec<String> = several.iter().map(ToString::to_string).collect();
                Err(ActionError::Refused(format!("`{called}` may be {}: say which", several.join(" or "))))
            }
        }
    }

    /// The type of a built-in resource.
    ///
    /// # Errors
    /// When the server does not serve it.
    pub fn built_in(&self, group: &str, resource: &str) -> Result<&'a ResourceType, ActionError> {
        let absent = || ActionError::Refused(format!("the API server does not serve {resource}"));
        self.kinds.find(group, resource).ok_or_else(absent)
    }

    /// The object that is meant; its UID is compared.
    ///
    /// # Errors
    /// When it is not there, or is another one.
    pub async fn find(&self, target: &Target) -> Result<Live, ActionError> {
        let kind = self.kind(&target.kind, target.api_version.as_deref())?;
        let namespace = match (kind.namespaced, target.namespace.as_deref()) {
            (true, None) => {
                let text = format!("{} {} needs a namespace: write NAMESPACE/NAME", kind.kind, target.name);
                return Err(ActionError::Arguments(text));
            }
            (true, namespace) => namespace,
            (false, _) => None,
        };
        let live = self.get(kind, namespace, &target.name).await?;
        let live = live.ok_or_else(|| {
            ActionError::Missing(ObjectRef::new(kind, namespace, &target.name, None).to_string())
        })?;
        if let Some(wanted) = target.uid.as_ref().filter(|uid| live.object.uid.as_ref() != Some(uid)) {
            let found = live.object.uid.clone().unwrap_or_default();
            let (object, wanted) = (live.object.to_string(), wanted.clone());
            return Err(ActionError::Replaced { object, wanted, found });
        }
        Ok(live)
    }

    /// One object; none when it is not there.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn get(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Live>, ActionError> {
        if let Some(live) = self.known.and_then(|known| known.object(kind, namespace, name)) {
            return Ok(Some(live));
        }
        let read = self.cluster()?.read(kind, namespace, name).await;
        let found = read.map_err(|refusal| refused(&format!("read {} {name}", kind.kind), refusal))?;
        let found = found.map(|it| live(kind, it.namespace.as_deref(), &it.name, &it.uid, &it.json));
        let found = found.transpose()?;
        if let (Some(known), Some(live)) = (self.known, &found) {
            known.see(live);
        }
        Ok(found)
    }

    /// The objects of a type that fit these selectors.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn list(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        labels: Option<&str>,
        fields: Option<&str>,
    ) -> Result<Vec<Live>, ActionError> {
        let listed = || Listed::new(kind, namespace, [labels, fields]);
        if let Some(found) = self.known.and_then(|known| known.list(&listed())) {
            return Ok(found);
        }
        let mut list = self.cluster()?.selected(kind, namespace, labels, fields);
        let mut pages = Vec::new();
        let what = format!("list {}", kind.resource);
        while let Some(page) = list.next().await.map_err(|refusal| refused(&what, refusal))? {
            // One page is read while the next one comes.
            let kind = kind.clone();
            pages.push(spawn_blocking(move || -> Result<Vec<Live>, ActionError> {
                let read = |it: LiveObject| live(&kind, it.namespace.as_deref(), &it.name, &it.uid, &it.json);
                page.into_iter().map(read).collect()
            }));
        }
        let mut found = Vec::new();
        for page in pages {
            let page = page.await.map_err(|e| ActionError::Refused(format!("{what}: {e}")))?;
            found.append(&mut page?);
        }
        if let Some(known) = self.known {
            known.see_list(listed(), &found);
        }
        Ok(found)
    }
}

fn live(
    kind: &ResourceType,
    namespace: Option<&str>,
    name: &str,
    uid: &str,
    json: &[u8],
) -> Result<Live, ActionError> {
    let object = ObjectRef::new(kind, namespace, name, Some(uid));
    let mut json: Value = serde_json::from_slice(json)
        .map_err(|_| ActionError::Refused(format!("what the API server sent of {object} is no JSON")))?;
    // Items of lists come without these.
    json["apiVersion"] = kind.api_version().into();
    json["kind"] = kind.kind.as_str().into();
    Ok(Live { object, json: Arc::new(json) })
}

/// What the server said when it was asked for something.
pub(in crate::playbook) fn refused(what: &str, refusal: Refusal) -> ActionError {
    ActionError::Server { what: what.to_owned(), why: refusal.message }
}

/// Asks the server to review something.
pub(super) async fn review(
    with: &Planning<'_>,
    (group_version, resource, kind): (&str, &str, &str),
    spec: Value,
) -> Result<Value, ActionError> {
    let asked = with.cluster()?.review(group_version, resource, kind, spec).await;
    asked.map_err(|refusal| refused(&format!("ask for a {kind}"), refusal))
}
