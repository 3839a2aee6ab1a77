//! Alerts and cases as JSON data, and back.

use crate::cases::{Alert, Case};
use serde_json::{Value, json};
use vigie_base::Time;
use vigie_detect::{Finding, Story};

impl Alert {
    /// As data.
    pub fn to_json(&self) -> Value {
        json!({ "id": self.id, "finding": self.finding.to_json() })
    }

    /// From data. Errors name the key, or the name that the registry of detectors does not know.
    pub fn from_json(v: &Value) -> Result<Self, String> {
        Ok(Alert { id: id(v)?, finding: Finding::from_json(&v["finding"])? })
    }
}

impl Case {
    /// As data.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "story": self.story.name(),
            "alerts": self.alerts.iter().map(Alert::to_json).collect::<Vec<_>>(),
            "more": self.more,
            "first": self.first.0,
            "last": self.last.0,
        })
    }

    /// From data. Errors name the key, or the name that the registry of detectors does not know.
    pub fn from_json(v: &Value) -> Result<Self, String> {
        let number = |key: &str| v[key].as_u64().ok_or_else(|| format!("\"{key}\" is missing or of another type"));
        let story = v["story"].as_str().unwrap_or("");
        let alerts = v["alerts"].as_array().ok_or("\"alerts\" is missing or of another type")?;
        Ok(Case {
            id: id(v)?,
            story: Story::of(story).ok_or_else(|| format!("this version knows no story \"{story}\""))?,
            alerts: alerts.iter().map(Alert::from_json).collect::<Result<_, _>>()?,
            more: number("more")?,
            first: Time(number("first")?),
            last: Time(number("last")?),
        })
    }
}

fn id(v: &Value) -> Result<String, String> {
    v["id"].as_str().map(str::to_owned).ok_or_else(|| "\"id\" is missing or of another type".to_owned())
}
