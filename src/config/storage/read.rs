//! How the section about stores is read.

use super::super::decode::{Cursor, Decode, Entry, FromText};
use super::super::error::shown;
use super::super::values::{ClusterName, Location, StoreUrl};
use super::{Keys, LockMode, ObjectLock, Role, S3, ServiceEncryption, ServiceUrl, Store};
use std::collections::BTreeMap;
use std::path::Path;
use url::Url;

impl FromText for ServiceUrl {
    fn from_text(text: &str) -> Result<Self, String> {
        let example = "such as https://s3.example.org";
        let url = Url::parse(text).map_err(|e| format!("{} is not a URL, {example}: {e}", shown(text)))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a service's URL has no keys in it: use `credentials`".to_owned());
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{} does not begin with https:// or http://", shown(text)));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            let reason = "has something after the host: the bucket belongs into the store's `url`";
            return Err(format!("{} {reason}, {example}", shown(text)));
        }
        Ok(ServiceUrl(text.trim_end_matches('/').to_owned()))
    }
}

impl FromText for ServiceEncryption {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "s3" => Ok(Self::S3),
            "kms" => Ok(Self::Kms),
            _ => Err(format!("{} is unknown: write `s3` or `kms`", shown(text))),
        }
    }
}

impl FromText for LockMode {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "governance" => Ok(Self::Governance),
            "compliance" => Ok(Self::Compliance),
            _ => Err(format!("{} is unknown: write `governance` or `compliance`", shown(text))),
        }
    }
}

impl Decode for Store {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name = fields.required::<ClusterName>("name", "give the store a name, such as `main`");
        let url =
            fields.required::<StoreUrl>("url", "write where it is, such as `url: \"file:///srv/lifeboat\"`");
        let s3 = fields.optional("s3");
        let bandwidth = fields.optional("bandwidth");
        let retention = fields.optional("retention");
        let copy_to = fields.or("copyTo", Vec::<String>::new());
        fields.finish();
        let (name, url, s3, retention) = (name?, url?, s3?, retention?);
        if let (Some(section), Location::Directory(_)) = (at.entry("s3"), url.locate(Path::new("/"))) {
            return section.fail("belongs to a store whose `url` begins with s3://");
        }
        Some(Self {
            name: name.as_str().to_owned(),
            url,
            s3,
            copy_to: copy_to?,
            bandwidth: bandwidth?,
            retention,
        })
    }
}

impl Decode for S3 {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = at.fields()?;
        let (endpoint, region) = (fields.optional("endpoint"), fields.optional("region"));
        let path_style = fields.optional("pathStyle");
        let (ca, profile) = (fields.optional("ca"), fields.optional("profile"));
        let (credentials, assume_role) = (fields.optional("credentials"), fields.optional("assumeRole"));
        let (encryption, kms_key) = (fields.optional("encryption"), fields.optional("kmsKey"));
        let storage_class = fields.optional("storageClass");
        let tags = fields.get("tags").map_or(Some(BTreeMap::new()), |tags| read_tags(&tags));
        let object_lock = fields.optional("objectLock");
        let conditional_create = fields.or("conditionalCreate", default.conditional_create);
        let checksums = fields.or("checksums", default.checksums);
        let part_size = fields.or("partSize", default.part_size);
        let concurrency = fields.number("concurrency", 1, 64, default.concurrency);
        let timeout = fields.or("timeout", default.timeout);
        fields.finish();
        if let (Some(keys), Some(_)) = (at.entry("credentials"), at.entry("profile")) {
            keys.fail::<()>("cannot be used together with `profile`; remove one of the two");
        }
        if let (Some(key), true) = (at.entry("kmsKey"), encryption != Some(Some(ServiceEncryption::Kms))) {
            key.fail::<()>("is for `encryption: kms`");
        }
        if let (Some(size), Some(at)) = (&part_size, at.entry("partSize"))
            && !(5 << 20..=1 << 30).contains(&size.bytes())
        {
            at.fail::<()>(
                "must be from 5MiB to 1GiB: no service takes smaller parts, and several are kept in memory",
            );
        }
        Some(Self {
            endpoint: endpoint?,
            region: region?,
            path_style: path_style?,
            ca: ca?,
            profile: profile?,
            credentials: credentials?,
            assume_role: assume_role?,
            encryption: encryption?,
            kms_key: kms_key?,
            storage_class: storage_class?,
            tags: tags?,
            object_lock: object_lock?,
            conditional_create: conditional_create?,
            checksums: checksums?,
            part_size: part_size?,
            concurrency: concurrency?,
            timeout: timeout?,
        })
    }
}

/// Tags, each a text. S3 allows ten, of 128 and 256 characters.
fn read_tags(at: &Cursor<'_>) -> Option<BTreeMap<String, String>> {
    let given = at.named("tags, such as `team: platform`")?;
    if given.len() > 10 {
        return at.fail("are more than the ten that an object can have");
    }
    let mut tags = BTreeMap::new();
    for Entry { name, value, .. } in given {
        let text = value.text()?;
        let usual = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
        if !name.chars().chain(text.chars()).all(usual) {
            return value
                .fail("a tag's name and value have letters, digits, spaces and + - = . _ : / @ alone");
        }
        if name.chars().count() > 128 || text.chars().count() > 256 {
            return value.fail("a tag has at most 128 characters of name and 256 of value");
        }
        tags.insert(name.to_owned(), text.to_owned());
    }
    Some(tags)
}

impl Decode for Keys {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let hint = |name: &str| format!("write `{name}: {{file: PATH}}` or `{name}: {{env: NAME}}`");
        let access_key_id = fields.required("accessKeyId", &hint("accessKeyId"));
        let secret_access_key = fields.required("secretAccessKey", &hint("secretAccessKey"));
        let session_token = fields.optional("sessionToken");
        fields.finish();
        Some(Self {
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            session_token: session_token?,
        })
    }
}

impl Decode for Role {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let arn = fields
            .required("arn", "write the role's ARN, such as `arn: arn:aws:iam::111122223333:role/backup`");
        let external_id = fields.optional("externalId");
        fields.finish();
        Some(Self { arn: arn?, external_id: external_id? })
    }
}

impl Decode for ObjectLock {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let mode = fields.required("mode", "write `mode: governance` or `mode: compliance`");
        let days = match fields.get("days") {
            Some(days) => days.number(1, 36_500).map(Some),
            None => Some(None),
        };
        fields.finish();
        Some(Self { mode: mode?, days: days? })
    }
}
