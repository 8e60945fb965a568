//! Compresses the files of the page, which the program embeds.

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "web")]
    page::embed()?;
    Ok(())
}

#[cfg(feature = "web")]
mod page {
    use std::env;
    use std::fs;
    use std::io::{self, Write};
    use std::path::{Path, PathBuf};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    /// Writes the compressed files, and a table of them for `include!`.
    pub(crate) fn embed() -> io::Result<()> {
        println!("cargo::rerun-if-changed=ui");
        let folder = Path::new("ui");
        let target = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
        let mut names = Vec::new();
        list(folder, &mut names)?;
        names.sort();
        let mut table = String::from("&[");
        for (number, path) in names.iter().enumerate() {
            let compressed = target.join(format!("{number}.gz"));
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&fs::read(path)?)?;
            fs::write(&compressed, encoder.finish()?)?;
            let name =
                path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
            table += &format!("({name:?}, include_bytes!({compressed:?})),\n");
        }
        fs::write(target.join("page.rs"), table + "]")
    }

    /// Adds the files of a folder and of those in it, except tests.
    fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if !path.is_dir() {
                files.push(path);
            } else if !path.ends_with("tests") {
                list(&path, files)?;
            }
        }
        Ok(())
    }
}
