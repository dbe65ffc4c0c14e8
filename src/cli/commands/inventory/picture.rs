//! An inventory as a picture: a card per host, on it what runs there.

use std::collections::BTreeMap;
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::Inventory;
use ocplay_language::python;

use super::catalogue::Components;
use super::view::View;

const CARD: usize = 320;
const GAP: usize = 28;
const MARGIN: usize = 28;
const ROW: usize = 24;
/// Width of a letter of the small text, and of the larger.
const LETTER: f32 = 7.3;
/// Pairs of fill and line, one per family of groups.
const COLOURS: [(&str, &str); 8] = [
    ("#e8f0fe", "#3367d6"),
    ("#e6f4ea", "#137333"),
    ("#fef0e1", "#b45309"),
    ("#f3e8fd", "#7627bb"),
    ("#fce8e6", "#b3261e"),
    ("#e0f7fa", "#00697a"),
    ("#fff8d6", "#7a6000"),
    ("#eceff1", "#455a64"),
];

/// One group on one card.
#[derive(PartialEq, Eq)]
struct Section {
    group: String,
    /// Whose colour it has.
    family: String,
    names: Vec<String>,
}

/// Hosts that run the same.
struct Card {
    hosts: Vec<Host>,
    sections: Vec<Section>,
    /// Other groups of all of these hosts.
    also: Vec<String>,
}

struct Host {
    name: String,
    address: String,
    also: Vec<String>,
}

/// Draws the hosts of a group.
pub(super) fn draw(
    view: &View<'_>,
    top: &str,
    components: Option<&BTreeMap<Arc<str>, Components>>,
) -> Result<String, Vec<Diagnostic>> {
    let inventory = view.inventory;
    let mut cards: Vec<Card> = Vec::new();
    let mut count = 0;
    for name in inventory.hosts_of(top) {
        count += 1;
        let vars = view.host_vars(&name)?;
        let groups: Vec<Arc<str>> = inventory
            .host(&name)
            .map(|host| host.groups.to_vec())
            .unwrap_or_default();
        let sections = sections(inventory, &name, &groups, components);
        let also = groups
            .iter()
            .filter(|group| !is_everywhere(group))
            .filter(|group| !sections.iter().any(|section| *section.group == ***group))
            .map(|group| group.to_string())
            .collect();
        let host = Host {
            name: name.to_string(),
            address: vars
                .get("ansible_host")
                .map(python::text)
                .unwrap_or_default(),
            also,
        };
        match cards.iter_mut().find(|card| card.sections == sections) {
            Some(card) => card.hosts.push(host),
            None => cards.push(Card {
                hosts: vec![host],
                sections,
                also: Vec::new(),
            }),
        }
    }
    for card in &mut cards {
        card.hosts.sort_by(|a, b| a.name.cmp(&b.name));
        share(card);
    }
    // The fullest first.
    cards.sort_by_key(|card| std::cmp::Reverse(card.sections.len()));
    let mut families: Vec<String> = Vec::new();
    for section in cards.iter().flat_map(|card| &card.sections) {
        if !families.contains(&section.family) {
            families.push(section.family.clone());
        }
    }
    let title = inventory.sources().iter().map(|source| {
        let name = std::path::Path::new(source).file_name();
        name.map_or_else(
            || source.clone(),
            |name| name.to_string_lossy().into_owned(),
        )
    });
    Ok(svg(
        &title.collect::<Vec<_>>().join(", "),
        count,
        &cards,
        &families,
    ))
}

fn is_everywhere(group: &str) -> bool {
    matches!(group, "all" | "ungrouped")
}

fn sections(
    inventory: &Inventory,
    name: &Arc<str>,
    groups: &[Arc<str>],
    components: Option<&BTreeMap<Arc<str>, Components>>,
) -> Vec<Section> {
    let carried: Components = match components {
        Some(all) => all.get(name).cloned().unwrap_or_default(),
        None => groups
            .iter()
            .filter(|group| !is_everywhere(group))
            .map(|group| (group.to_string(), Vec::new()))
            .collect(),
    };
    carried
        .into_iter()
        .map(|(group, mut names)| {
            // A group of one component is usually called as that.
            if matches!(&names[..], [only] if only.replace('-', "_") == group) {
                names.clear();
            }
            Section {
                family: family(inventory, &group),
                group,
                names,
            }
        })
        .collect()
}

/// Moves what all hosts of a card are in from the hosts to the card.
fn share(card: &mut Card) {
    let Some(first) = card.hosts.first() else {
        return;
    };
    let all = |group: &String| card.hosts.iter().all(|host| host.also.contains(group));
    card.also = first
        .also
        .iter()
        .filter(|group| all(group))
        .cloned()
        .collect();
    for host in &mut card.hosts {
        host.also.retain(|group| !card.also.contains(group));
    }
}

/// The group above a group: what belongs together has one colour. A group of all hosts is above nothing.
fn family(inventory: &Inventory, group: &str) -> String {
    let all = inventory.hosts_of("all").len();
    let mut parents = inventory
        .groups()
        .filter(|(name, parent)| &***name != "all" && parent.children.contains(group))
        .filter(|(name, _)| inventory.hosts_of(name).len() < all);
    parents
        .next()
        .map_or_else(|| group.to_owned(), |(name, _)| name.to_string())
}

/// Words in lines that are no wider than a card.
fn lines(words: &[String], width: usize) -> Vec<String> {
    let most = (width as f32 / LETTER) as usize;
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() + 2 <= most => {
                line.push_str(", ");
                line.push_str(word);
            }
            Some(line) => {
                line.push(',');
                lines.push(word.clone());
            }
            None => lines.push(word.clone()),
        }
    }
    lines
}

/// A card with many sections is twice as wide and has two columns of them.
fn span(card: &Card) -> usize {
    if card.sections.len() > 7 { 2 } else { 1 }
}

fn card_width(card: &Card) -> usize {
    span(card) * CARD + (span(card) - 1) * GAP
}

fn section_width(card: &Card) -> usize {
    (card_width(card) - 12 * (span(card) + 1)) / span(card)
}

fn section_lines(section: &Section, width: usize) -> Vec<String> {
    lines(&section.names, width - 24)
}

fn section_height(section: &Section, width: usize) -> usize {
    let body = section_lines(section, width).len() * 18;
    28 + body + if body > 0 { 4 } else { 0 }
}

/// The sections of each column, filled one after the other to about the same height.
fn columns(card: &Card) -> Vec<&[Section]> {
    if span(card) == 1 {
        return vec![&card.sections];
    }
    let width = section_width(card);
    let heights: Vec<usize> = card
        .sections
        .iter()
        .map(|section| section_height(section, width) + 8)
        .collect();
    let all: usize = heights.iter().sum();
    let best = (0..=heights.len()).min_by_key(|at| {
        let first: usize = heights[..*at].iter().sum();
        first.max(all - first)
    });
    let (first, second) = card.sections.split_at(best.unwrap_or(0));
    vec![first, second]
}

fn also_lines(card: &Card) -> Vec<String> {
    let mut words = card.also.clone();
    if let Some(first) = words.first_mut() {
        *first = format!("also in {first}");
    }
    lines(&words, card_width(card) - 32)
}

/// Height of the hosts' names, and of the longest column.
fn heights(card: &Card) -> (usize, usize) {
    let width = section_width(card);
    let column = |sections: &[Section]| -> usize {
        sections
            .iter()
            .map(|section| section_height(section, width) + 8)
            .sum()
    };
    let longest = columns(card).into_iter().map(column).max().unwrap_or(0);
    (22 + card.hosts.len() * ROW, longest)
}

fn height(card: &Card) -> usize {
    let (head, body) = heights(card);
    let also = also_lines(card).len() * 18;
    head + body + also + if also > 0 { 12 } else { 4 }
}

/// Where each card is, and how high all are together: each goes to where it ends up highest.
fn places(cards: &[Card], units: usize) -> (Vec<(usize, usize)>, usize) {
    let mut ends = vec![0; units];
    let mut places = Vec::new();
    for card in cards {
        let span = span(card).min(units);
        let top = |at: usize| ends[at..at + span].iter().copied().max().unwrap_or(0);
        let at = (0..=units - span).min_by_key(|at| top(*at)).unwrap_or(0);
        let y = top(at);
        ends[at..at + span].fill(y + height(card) + GAP);
        places.push((at * (CARD + GAP), y));
    }
    (places, ends.into_iter().max().unwrap_or(0))
}

fn svg(title: &str, count: usize, cards: &[Card], families: &[String]) -> String {
    let units = cards.iter().map(span).sum::<usize>().clamp(1, 3);
    let width = MARGIN * 2 + units * CARD + (units - 1) * GAP;
    let top = MARGIN + 40 + if families.is_empty() { 0 } else { ROW + 10 };
    let (places, end) = places(cards, units);
    let total = top + end - GAP.min(end) + MARGIN;
    let mut out = String::new();
    put(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {total}\" font-family=\"system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        ),
    );
    let count = match count {
        1 => "1 host".to_owned(),
        count => format!("{count} hosts"),
    };
    let y = MARGIN + 16;
    put(
        &mut out,
        format_args!(
            "<text x=\"{MARGIN}\" y=\"{y}\" font-size=\"20\" font-weight=\"600\" fill=\"#1f2328\">{}</text>\n",
            escaped(title)
        ),
    );
    put(
        &mut out,
        format_args!(
            "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\" fill=\"#59636e\">{count}</text>\n",
            width - MARGIN
        ),
    );
    let mut left = MARGIN;
    for family in families {
        let (fill, line) = colour(family, families);
        let y = MARGIN + 34;
        put(
            &mut out,
            format_args!(
                "<rect x=\"{left}\" y=\"{y}\" width=\"16\" height=\"16\" rx=\"4\" fill=\"{fill}\" stroke=\"{line}\"/>\n"
            ),
        );
        put(
            &mut out,
            format_args!(
                "<text x=\"{}\" y=\"{}\" fill=\"#1f2328\">{}</text>\n",
                left + 22,
                y + 13,
                escaped(family)
            ),
        );
        left += 22 + (family.chars().count() as f32 * LETTER) as usize + 30;
    }
    for (card, (x, y)) in cards.iter().zip(places) {
        draw_card(&mut out, card, MARGIN + x, top + y, families);
    }
    out.push_str("</svg>\n");
    out
}

fn draw_card(out: &mut String, card: &Card, left: usize, top: usize, families: &[String]) {
    let (width, all) = (card_width(card), height(card));
    put(
        out,
        format_args!(
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{all}\" rx=\"10\" fill=\"#f6f8fa\" stroke=\"#d1d9e0\"/>\n"
        ),
    );
    for (index, host) in card.hosts.iter().enumerate() {
        let y = top + 30 + index * ROW;
        let also = if host.also.is_empty() {
            String::new()
        } else {
            let style = "dx=\"10\" font-size=\"13\" font-weight=\"400\" fill=\"#59636e\"";
            format!("<tspan {style}>{}</tspan>", escaped(&host.also.join(", ")))
        };
        put(
            out,
            format_args!(
                "<text x=\"{}\" y=\"{y}\" font-size=\"17\" font-weight=\"600\" fill=\"#1f2328\">{}{also}</text>\n",
                left + 16,
                escaped(&host.name)
            ),
        );
        put(
            out,
            format_args!(
                "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\" font-family=\"ui-monospace,Menlo,DejaVu Sans Mono,monospace\" fill=\"#59636e\">{}</text>\n",
                left + width - 16,
                escaped(&host.address)
            ),
        );
    }
    let (head, body) = heights(card);
    for (index, sections) in columns(card).into_iter().enumerate() {
        let x = left + 12 + index * (section_width(card) + 12);
        draw_sections(out, sections, x, top + head, section_width(card), families);
    }
    for (index, text) in also_lines(card).iter().enumerate() {
        let y = top + head + body + 16 + index * 18;
        put(
            out,
            format_args!(
                "<text x=\"{}\" y=\"{y}\" fill=\"#59636e\">{}</text>\n",
                left + 16,
                escaped(text)
            ),
        );
    }
}

fn draw_sections(
    out: &mut String,
    sections: &[Section],
    left: usize,
    top: usize,
    width: usize,
    families: &[String],
) {
    let mut y = top;
    for section in sections {
        let (fill, line) = colour(&section.family, families);
        let all = section_height(section, width);
        put(
            out,
            format_args!(
                "<rect x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{all}\" rx=\"6\" fill=\"{fill}\" stroke=\"{line}\" stroke-opacity=\"0.45\"/>\n"
            ),
        );
        put(
            out,
            format_args!(
                "<text x=\"{}\" y=\"{}\" font-weight=\"600\" fill=\"{line}\">{}</text>\n",
                left + 12,
                y + 19,
                escaped(&section.group)
            ),
        );
        for (index, text) in section_lines(section, width).iter().enumerate() {
            put(
                out,
                format_args!(
                    "<text x=\"{}\" y=\"{}\" fill=\"#1f2328\">{}</text>\n",
                    left + 12,
                    y + 39 + index * 18,
                    escaped(text)
                ),
            );
        }
        y += all + 8;
    }
}

fn colour(family: &str, families: &[String]) -> (&'static str, &'static str) {
    let index = families
        .iter()
        .position(|known| known == family)
        .unwrap_or(0);
    COLOURS[index % COLOURS.len()]
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
}

fn escaped(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .map(|letter| match letter {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fill_lines() {
        let words: Vec<String> = ["alpha", "beta", "gamma"].map(str::to_owned).to_vec();
        assert_eq!(lines(&words, 100), ["alpha, beta,", "gamma"]);
        assert_eq!(lines(&words, 1000), ["alpha, beta, gamma"]);
        assert!(lines(&[], 100).is_empty());
    }

    #[test]
    fn names_cannot_break_the_picture() {
        assert_eq!(
            escaped("<a b=\"c\">&\u{7}"),
            "&lt;a b=&quot;c&quot;&gt;&amp;"
        );
    }
}
