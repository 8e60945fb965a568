//! Elastic Beanstalk environments.

use std::error::Error;
use std::path::PathBuf;

use serde_json::Value;

use super::files::Files;
use super::{Detected, Plugin, origin};

/// The file that Elastic Beanstalk writes if X-Ray is turned on for the environment.
const CONFIGURATION: &str = if cfg!(windows) {
    "C:\\Program Files\\Amazon\\XRay\\environment.conf"
} else {
    "/var/elasticbeanstalk/xray/environment.conf"
};

/// Detects an Elastic Beanstalk environment: its name, the deployed version and the id of the deployment.
///
/// Segments then have the origin `AWS::ElasticBeanstalk::Environment` and this block:
///
/// ```json
/// {"aws": {"elastic_beanstalk": {"environment_name": "shop-prod", "version_label": "v7", "deployment_id": 32}}}
/// ```
///
/// It reads `/var/elasticbeanstalk/xray/environment.conf`, or on Windows
/// `C:\Program Files\Amazon\XRay\environment.conf`. Elastic Beanstalk writes this file if X-Ray is turned on for the
/// environment. In a container, mount it and set its path by [`file`](ElasticBeanstalk::file).
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::plugin::ElasticBeanstalk;
///
/// let plugin = ElasticBeanstalk::new().file("/mnt/host/environment.conf");
/// let recorder = Recorder::builder().plugin(plugin).build();
/// # assert!(recorder.is_ok());
/// ```
#[derive(Debug)]
#[must_use = "a plugin runs only if it is added to a recorder's builder"]
pub struct ElasticBeanstalk {
    file: Option<PathBuf>,
    files: Files,
}

impl ElasticBeanstalk {
    /// Creates the plugin. It reads no environment variable.
    pub fn new() -> ElasticBeanstalk {
        ElasticBeanstalk { file: None, files: Files::new(|_| None) }
    }

    /// Sets the path of the file that describes the environment (default: the path above). Calling this again replaces
    /// the path.
    pub fn file(mut self, path: impl Into<PathBuf>) -> ElasticBeanstalk {
        self.file = Some(path.into());
        self
    }
}

impl Default for ElasticBeanstalk {
    fn default() -> ElasticBeanstalk {
        ElasticBeanstalk::new()
    }
}

impl Plugin for ElasticBeanstalk {
    fn name(&self) -> &str {
        "ElasticBeanstalk"
    }

    fn detect(&self) -> Result<Detected, Box<dyn Error + Send + Sync>> {
        let path = self.file.clone().unwrap_or_else(|| CONFIGURATION.into());
        let text = self.files.read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let configuration: Value = serde_json::from_str(&text)?;
        let Some(name) = configuration["environment_name"].as_str() else {
            return Err(format!("{} has no `environment_name`", path.display()).into());
        };
        Ok(Detected::new(origin::ELASTIC_BEANSTALK, "elastic_beanstalk")
            .field("environment_name", name)
            .field("version_label", &configuration["version_label"].as_str())
            .field("deployment_id", &configuration["deployment_id"].as_number()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::Directory;
    use super::*;

    fn detect(text: &str) -> Result<Detected, Box<dyn Error + Send + Sync>> {
        let directory = Directory::new().with("environment.conf", text);
        ElasticBeanstalk::new().file(directory.path().join("environment.conf")).detect()
    }

    #[test]
    fn the_file_describes_the_environment() {
        let whole = r#"{"environment_name": "shop-prod", "version_label": "v7", "deployment_id": 32, "other": []}"#;
        let want = Detected::new(origin::ELASTIC_BEANSTALK, "elastic_beanstalk").field("environment_name", "shop-prod");
        assert_eq!(detect(whole).unwrap(), want.clone().field("version_label", "v7").field("deployment_id", &32));
        let odd = r#"{"environment_name": "shop-prod", "version_label": 7, "deployment_id": "32"}"#;
        assert_eq!(detect(odd).unwrap(), want);
    }

    #[test]
    fn a_missing_or_malformed_file_is_an_error() {
        for wrong in ["", "no json", "[]", "{}", r#"{"environment_name": 7}"#, r#"{"environment_name": "a""#] {
            detect(wrong).expect_err(wrong);
        }
        ElasticBeanstalk::new().file("/nowhere/environment.conf").detect().unwrap_err();
        let elsewhere = Directory::new();
        let usual = ElasticBeanstalk { file: None, files: Files::below(elsewhere.path()) };
        usual.detect().unwrap_err();
        let here = elsewhere.with(CONFIGURATION.trim_start_matches('/'), r#"{"environment_name": "a"}"#);
        assert!(cfg!(windows) || usual.detect().is_ok());
        drop(here);
    }
}
