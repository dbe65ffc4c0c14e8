//! A tree into text.

use super::tree::{Document, Element, Kind};

fn escaped(text: &str, attribute: bool) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            letter => out.push(letter),
        }
    }
    out
}

impl Document {
    /// The whole document in UTF-8; laid out in lines if that is wanted.
    pub(crate) fn text(&self, pretty: bool) -> String {
        let mut out = "<?xml version='1.0' encoding='UTF-8'?>\n".to_owned();
        for (place, node) in self.top.iter().enumerate() {
            if place == self.before_doctype
                && let Some(doctype) = &self.doctype
            {
                out.push_str(&format!("<!DOCTYPE {doctype}>\n"));
            }
            self.write(*node, pretty, 0, &mut out);
            if pretty {
                out.push('\n');
            }
        }
        out
    }

    fn write(&self, node: usize, pretty: bool, depth: usize, out: &mut String) {
        match &self.nodes[node].kind {
            Kind::Text(text) => out.push_str(&escaped(text, false)),
            Kind::Raw(text) => out.push_str(&format!("<![CDATA[{text}]]>")),
            Kind::Comment(text) => out.push_str(&format!("<!--{text}-->")),
            Kind::Instruction(target, told) if told.is_empty() => {
                out.push_str(&format!("<?{target}?>"));
            }
            Kind::Instruction(target, told) => out.push_str(&format!("<?{target} {told}?>")),
            Kind::Element(element) => self.write_element(element, pretty, depth, out),
        }
    }

    fn write_element(&self, element: &Element, pretty: bool, depth: usize, out: &mut String) {
        let name = element.name.written();
        out.push_str(&format!("<{name}"));
        for (prefix, space) in &element.spaces {
            let colon = if prefix.is_empty() { "" } else { ":" };
            out.push_str(&format!(
                " xmlns{colon}{prefix}=\"{}\"",
                escaped(space, true)
            ));
        }
        for (name, value) in &element.attributes {
            out.push_str(&format!(" {}=\"{}\"", name.written(), escaped(value, true)));
        }
        if element.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        // Where there is text, every blank is a part of it.
        let pretty = pretty && !element.children.iter().any(|child| self.is_text(*child));
        for child in &element.children {
            if pretty {
                out.push('\n');
                out.push_str(&"  ".repeat(depth + 1));
            }
            self.write(*child, pretty, depth + 1, out);
        }
        if pretty {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        out.push_str(&format!("</{name}>"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str, pretty: bool) -> String {
        Document::parse(text.as_bytes(), pretty, false)
            .unwrap()
            .text(pretty)
    }

    #[test]
    fn there_and_back() {
        let text = "<?xml version='1.0' encoding='UTF-8'?>\n<!DOCTYPE a [<!ELEMENT a ANY>]>\n<!-- c --><a x=\"1 &lt; 2\" xmlns:q=\"http://q/\">\n  t &amp; u <q:b q:y='\"'/>\n<![CDATA[<&]]><?go on?></a>\n";
        let wanted = "<?xml version='1.0' encoding='UTF-8'?>\n<!DOCTYPE a [<!ELEMENT a ANY>]>\n<!-- c --><a xmlns:q=\"http://q/\" x=\"1 &lt; 2\">\n  t &amp; u <q:b q:y=\"&quot;\"/>\n<![CDATA[<&]]><?go on?></a>";
        assert_eq!(again(text, false), wanted);
    }

    #[test]
    fn laid_out() {
        let wanted = "<?xml version='1.0' encoding='UTF-8'?>\n<a>\n  <b>x</b>\n  <c>\n    <d/>\n  </c>\n  <e>t<f/></e>\n</a>\n";
        assert_eq!(
            again("<a><b>x</b>\n\n<c><d/></c> <e>t<f/></e></a>", true),
            wanted
        );
        assert_eq!(again(wanted, true), wanted);
    }

    #[test]
    fn what_is_no_document() {
        for (text, reason) in [
            ("", "no element"),
            ("<a>", "not closed"),
            ("<a></b>", "</a> was expected"),
            ("<a>\n&x;</a>", "line 1: &x; is not known"),
            ("<a b=1/>", "not in quotes"),
            ("<a/><b/>", "second element"),
            ("<q:a/>", "prefix q"),
            ("<a b='1' b='2'/>", "twice"),
            ("x<a/>", "text outside"),
            ("<a><!-- </a>", "has no end"),
            ("<a><", "begins no element"),
        ] {
            let found = Document::parse(text.as_bytes(), false, false).unwrap_err();
            assert!(found.contains(reason), "{text}: {found}");
        }
        let deep = "<a>".repeat(300);
        assert!(
            Document::parse(deep.as_bytes(), false, false)
                .unwrap_err()
                .contains("deep")
        );
        assert!(
            Document::parse(b"<?xml version='1.0' encoding='UTF-16'?><a/>", false, false).is_err()
        );
    }
}
