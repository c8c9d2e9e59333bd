export default function DefinitionView({ id }: { id: string }) {
  return <h1>{id}</h1>;
}
