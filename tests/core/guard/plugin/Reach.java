import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.neo4j.procedure.Name;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.UserFunction;

/** What a plugin may bring: a function and a procedure that read a file of the database's host. */
public class Reach {
    public static class Line {
        public String line;

        public Line(String line) {
            this.line = line;
        }
    }

    @UserFunction("reach.out.read")
    public String read(@Name("path") String path) throws IOException {
        return Files.readString(Path.of(path));
    }

    @Procedure("reach.out.lines")
    public Stream<Line> lines(@Name("path") String path) throws IOException {
        return Files.readAllLines(Path.of(path)).stream().map(Line::new);
    }
}
