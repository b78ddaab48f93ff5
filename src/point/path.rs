//! An object's place in the archive: `<group|core>/<version>/<resource>/<namespace|_cluster>/<name>.json`.
//!
//! Names of roles may hold almost anything (`system:node`, `%`, a leading `_`), and nothing that a server says is
//! trusted to be a path. So every segment keeps `A-Z a-z 0-9 . _ -` as they are and writes every other byte of its
//! UTF-8 as `%XX` (upper case); a segment's first character is also written so unless it is a letter or a digit. Hence no
//! segment is empty, `.`, `..`, hidden, an option, or a Windows stream (`a:b`), and `_cluster` and `core` are free to have
//! their own meaning (a group that is really called `core` is `%63ore`). Decoding `%XX` gives the name back.
//!
//! Names may be longer than what a file may be called. What is written of a segment is therefore divided into directories
//! after at most 250 bytes each, all but the last ending in `+`, which nothing else does; each is written as a segment is.
//! Exports that were made before this was so have such segments whole, and are read as well.

/// Which object a path is the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPlace {
    /// The API group; empty for the core.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The resource's plural name.
    pub resource: String,
    /// The namespace; none for cluster-scoped objects.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

const CORE: &str = "core";
const CLUSTER: &str = "_cluster";
const SUFFIX: &str = ".json";
/// A segment goes on in the next one.
const GOES_ON: &str = "+/";
/// With `.json` behind it, as long as the name of a file may be.
const LONGEST: usize = 255 - SUFFIX.len();

/// The place of an object, or nothing if one of the parts that must not be empty is.
pub fn object_path(
    group: &str,
    version: &str,
    resource: &str,
    namespace: Option<&str>,
    name: &str,
) -> Option<String> {
    written(group, version, resource, namespace, name, LONGEST)
}

/// The path, with segments divided after this many bytes.
fn written(
    group: &str,
    version: &str,
    resource: &str,
    namespace: Option<&str>,
    name: &str,
    longest: usize,
) -> Option<String> {
    if version.is_empty() || resource.is_empty() || name.is_empty() || namespace == Some("") {
        return None;
    }
    let mut path = String::with_capacity(
        group.len() + version.len() + resource.len() + namespace.map_or(8, str::len) + name.len() + 16,
    );
    match group {
        "" => path.push_str(CORE),
        CORE => path.push_str("%63ore"),
        _ => encode(group, longest, &mut path),
    }
    path.push('/');
    encode(version, longest, &mut path);
    path.push('/');
    encode(resource, longest, &mut path);
    path.push('/');
    match namespace {
        None => path.push_str(CLUSTER),
        Some(namespace) => encode(namespace, longest, &mut path),
    }
    path.push('/');
    encode(name, longest, &mut path);
    path.push_str(SUFFIX);
    Some(path)
}

/// The reverse of [`object_path`]; nothing if the path is not one that it makes.
pub fn parse_object_path(path: &str) -> Option<ObjectPlace> {
    let whole = path.replace(GOES_ON, "");
    let mut segments = whole.split('/');
    let mut next = || segments.next();
    let (group, version, resource, namespace, file) = (next()?, next()?, next()?, next()?, next()?);
    if next().is_some() {
        return None;
    }
    let place = ObjectPlace {
        group: if group == CORE { String::new() } else { decode(group)? },
        version: decode(version)?,
        resource: decode(resource)?,
        namespace: if namespace == CLUSTER { None } else { Some(decode(namespace)?) },
        name: decode(file.strip_suffix(SUFFIX)?)?,
    };
    let is_path = |longest| {
        let namespace = place.namespace.as_deref();
        let again = written(&place.group, &place.version, &place.resource, namespace, &place.name, longest);
        again.as_deref() == Some(path)
    };
    (is_path(LONGEST) || is_path(usize::MAX)).then_some(place)
}

fn encode(segment: &str, longest: usize, path: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut begin = path.len();
    for byte in segment.bytes() {
        let alphanumeric = byte.is_ascii_alphanumeric();
        let inside = alphanumeric || matches!(byte, b'.' | b'_' | b'-');
        if path.len() - begin + if inside { 1 } else { 3 } > longest {
            path.push_str(GOES_ON);
            begin = path.len();
        }
        if alphanumeric || (inside && path.len() > begin) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push(char::from(HEX[usize::from(byte >> 4)]));
            path.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn examples() {
        let path = |g, v, r, ns, n| object_path(g, v, r, ns, n).unwrap();
        assert_eq!(path("", "v1", "pods", Some("team-a"), "web-0"), "core/v1/pods/team-a/web-0.json");
        assert_eq!(
            path("rbac.authorization.k8s.io", "v1", "clusterroles", None, "system:node"),
            "rbac.authorization.k8s.io/v1/clusterroles/_cluster/system%3Anode.json"
        );
        assert_eq!(path("core", "v1", "a", None, ".."), "%63ore/v1/a/_cluster/%2E..json");
        assert_eq!(path("", "v1", "a", Some("_cluster"), "a/b"), "core/v1/a/%5Fcluster/a%2Fb.json");
        assert_eq!(object_path("", "v1", "pods", None, ""), None);
    }

    #[test]
    fn long_names_are_divided_and_were_not_always() {
        let place = |name: &str| ObjectPlace {
            group: String::new(),
            version: "v1".into(),
            resource: "a".into(),
            namespace: Some("b".into()),
            name: name.into(),
        };
        let (fits, dots) = ("x".repeat(250), ".".repeat(300));
        for (name, file) in [
            (fits.clone(), format!("{fits}.json")),
            (format!("{fits}.yy"), format!("{fits}+/%2Eyy.json")),
            (format!("{}:y", &fits[..248]), format!("{}+/%3Ay.json", &fits[..248])),
            (format!("{fits}{fits}"), format!("{fits}+/{fits}.json")),
            (dots.clone(), format!("%2E{}+/%2E{}.json", &dots[..247], &dots[..51])),
        ] {
            let path = format!("core/v1/a/b/{file}");
            assert_eq!(object_path("", "v1", "a", Some("b"), &name), Some(path.clone()));
            assert_eq!(parse_object_path(&path), Some(place(&name)));
        }
        let longest = "n".repeat(253);
        assert_eq!(parse_object_path(&format!("core/v1/a/b/{longest}.json")), Some(place(&longest)));
        for file in ["n+/n.json", "+/n.json", "n+.json", "n/+n.json", "n+/.json"] {
            assert_eq!(parse_object_path(&format!("core/v1/a/b/{file}")), None, "{file}");
        }
        let late = format!("core/v1/a/b/{}+/{}.json", &fits[..249], &fits[..9]);
        assert_eq!(parse_object_path(&late), None);
    }

    #[test]
    fn foreign_paths_are_not_taken_for_ours() {
        for path in [
            "",
            "core/v1/pods/team-a",
            "core/v1/pods/team-a/../web.json",
            "core/v1/pods/../web.json",
            "/core/v1/pods/team-a/web.json",
            "core/v1/pods/team-a/web.json/",
            "core/v1/pods/team-a/%77eb.json",
            "core/v1/pods/team-a/a%2fb.json",
            "core/v1/pods/team-a/a%F.json",
            "core/v1/pods/team-a/%FF.json",
            "core/v1/pods/team-a/.json",
        ] {
            assert_eq!(parse_object_path(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn safe_and_reversible(
            group in "(|core|[a-z.:_/%]{1,12})", version in "\\PC{1,6}", resource in "\\PC{1,6}",
            namespace in proptest::option::of("(_cluster|\\.\\.|\\PC{1,6})"),
            name in "(\\.|\\.\\.|[a-z:%./]{1,8}|\\PC{1,40}|[a-z.+]{240,260}|[a-z:.-]{490,510}|\\PC{60,300})",
        ) {
            let path = object_path(&group, &version, &resource, namespace.as_deref(), &name).unwrap();
            let segments: Vec<&str> = path.split('/').collect();
            let whole: Vec<&str> = segments.iter().copied().filter(|it| !it.ends_with('+')).collect();
            prop_assert_eq!(whole.len(), 5);
            for segment in segments {
                prop_assert!(!segment.is_empty() && !segment.starts_with(['.', '-', '_']) || segment == "_cluster");
                prop_assert!(segment.len() <= 255);
                let text = segment.strip_suffix('+').unwrap_or(segment);
                prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-%".contains(&b)));
            }
            // A directory is never called as a file is.
            prop_assert!(whole[4].ends_with(".json"));
            let former = written(&group, &version, &resource, namespace.as_deref(), &name, usize::MAX).unwrap();
            let place = ObjectPlace { group, version, resource, namespace, name };
            prop_assert_eq!(parse_object_path(&former), Some(place.clone()));
            prop_assert_eq!(parse_object_path(&path), Some(place));
        }

        #[test]
        fn any_text_is_parsed_without_a_panic(path in "\\PC*") {
            if let Some(p) = parse_object_path(&path) {
                let again = |longest| {
                    written(&p.group, &p.version, &p.resource, p.namespace.as_deref(), &p.name, longest).unwrap()
                };
                prop_assert!([again(LONGEST), again(usize::MAX)].contains(&path));
            }
        }
    }
}
