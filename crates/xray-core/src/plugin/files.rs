//! The files of the host that plugins read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The number of bytes that are read from a file. The expected files have a few hundred.
const MAX_SIZE: u64 = 64 * 1024;

/// The file system, or a directory that replaces it in tests.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    /// The host's name from the environment.
    host_name: Option<String>,
}

impl Files {
    pub(super) fn new(lookup: impl Fn(&str) -> Option<String>) -> Files {
        Files { root: PathBuf::from("/"), host_name: lookup("HOSTNAME").or_else(|| lookup("COMPUTERNAME")) }
    }

    /// Uses files below a directory, and ignores the environment.
    #[cfg(test)]
    pub(super) fn below(root: &Path) -> Files {
        Files { root: root.to_owned(), host_name: None }
    }

    /// Resolves an absolute path against the root. Relative paths, and paths with a drive on Windows, stay as they are.
    fn path(&self, path: &Path) -> PathBuf {
        path.strip_prefix("/").map_or_else(|_| path.to_owned(), |path| self.root.join(path))
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path.as_ref()).exists()
    }

    pub(super) fn read(&self, path: impl AsRef<Path>) -> io::Result<String> {
        let mut text = String::new();
        File::open(self.path(path.as_ref()))?.take(MAX_SIZE).read_to_string(&mut text)?;
        Ok(text)
    }

    /// The name of the host. In a container, this is the container's.
    pub(super) fn host_name(&self) -> Option<String> {
        let kernel = self.read("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
        kernel.filter(|name| !name.is_empty()).or_else(|| self.host_name.clone())
    }

    /// The id of the container that this process runs in: 64 hex digits in the name of its control group. Version 2 of
    /// control groups usually does not contain it.
    pub(super) fn container_id(&self) -> Option<String> {
        let groups = self.read("/proc/self/cgroup").ok()?;
        let mut words = groups.split(|character: char| !character.is_ascii_hexdigit());
        words.find(|word| word.len() == 64).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::Directory;
    use super::*;

    #[test]
    fn the_container_id_is_read_from_the_control_group() {
        let id = "0123456789abcdef".repeat(4);
        for (groups, found) in [
            (format!("9:perf_event:/ecs/task/{id}\n8:memory:/ecs/task/{id}\n"), true),
            (format!("0::/system.slice/docker-{id}.scope"), true),
            (format!("1:name=systemd:/kubepods/besteffort/podd29/cri-containerd:{id}"), true),
            ("0::/\n".to_owned(), false),
            (format!("0::/{id}0"), false),
            (String::new(), false),
        ] {
            let directory = Directory::new().with("proc/self/cgroup", &groups);
            assert_eq!(Files::below(directory.path()).container_id(), found.then(|| id.clone()), "{groups:?}");
        }
        assert_eq!(Files::below(Directory::new().path()).container_id(), None);
    }

    #[test]
    fn the_kernels_host_name_takes_precedence_over_the_environment() {
        let lookup = |name: &str| (name == "HOSTNAME").then(|| "of-the-environment".to_owned());
        for (kernel, want) in
            [(Some("kernels\n"), "kernels"), (Some("\n"), "of-the-environment"), (None, "of-the-environment")]
        {
            let directory = Directory::new();
            let directory = kernel.into_iter().fold(directory, |all, name| all.with("proc/sys/kernel/hostname", name));
            let files = Files { root: directory.path().to_owned(), ..Files::new(lookup) };
            assert_eq!(files.host_name().as_deref(), Some(want));
        }
    }

    #[test]
    fn an_endless_file_is_read_up_to_the_limit() {
        if Path::new("/dev/zero").exists() {
            assert_eq!(Files::new(|_| None).read("/dev/zero").unwrap().len() as u64, MAX_SIZE);
        }
    }
}
