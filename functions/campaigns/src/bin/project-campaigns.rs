//! The Lambda function `project-campaigns`.

fn main() -> Result<(), edge::Error> {
    edge::run(&campaigns::project_campaigns::function())
}
