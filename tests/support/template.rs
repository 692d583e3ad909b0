//! The template.

use std::{collections::BTreeMap, fs, path::PathBuf};

/// The resources of `template.yaml` by their ids.
pub(crate) fn template() -> BTreeMap<String, String> {
    let text =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../template.yaml"))
            .unwrap();
    let resources =
        text.split("\nResources:\n").nth(1).unwrap().split("\nOutputs:\n").next().unwrap();
    let (mut by_id, mut id) = (BTreeMap::<String, String>::new(), String::new());
    for line in resources.lines().filter(|line| !line.starts_with("  #") && !line.is_empty()) {
        match line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) {
            Some(name) => name.trim_end_matches(':').clone_into(&mut id),
            None => by_id.entry(id.clone()).or_default().extend([line, "\n"]),
        }
    }
    by_id
}
