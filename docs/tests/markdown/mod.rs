//! As much of Markdown as the tests need.

/// The blocks of `language`, without their fences.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}");
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let block = lines.by_ref().take_while(|line| *line != "```");
            let block: String = block.flat_map(|line| [line, "\n"]).collect();
            if line == open {
                blocks.push(block);
            }
        }
    }
    blocks
}

/// What stands outside of blocks.
#[allow(dead_code, reason = "not every test looks at links")]
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// The targets of links that are not elsewhere.
#[allow(dead_code, reason = "not every test looks at links")]
pub(crate) fn links(text: &str) -> Vec<String> {
    // A link may go over the end of a line.
    let prose = prose(text).collect::<Vec<_>>().join("\n");
    let ends = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    ends.filter(|link| !link.contains("://")).map(str::to_owned).collect()
}

/// The names by which links find headings.
#[allow(dead_code, reason = "not every test links to headings")]
pub(crate) fn headings(text: &str) -> Vec<String> {
    let titles = prose(text).filter(|line| line.starts_with('#'));
    let name = |title: &str| {
        let kept = title.trim_start_matches('#').trim().chars();
        let kept = kept.filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    titles.map(name).collect()
}

/// The rows of every table whose header begins with `first`, cell by cell.
#[allow(dead_code, reason = "not every test reads tables")]
pub(crate) fn rows(text: &str, first: &str) -> Vec<Vec<String>> {
    let head = format!("| {first} |");
    let mut rows = Vec::new();
    let mut lines = prose(text);
    while let Some(line) = lines.next() {
        if line.starts_with(&head) {
            let table = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
            rows.extend(table.map(|row| {
                row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
            }));
        }
    }
    rows
}
