import { Component, type ReactNode } from "react";
import { ApiProblem, Unreachable } from "../api/training/rest";
import { texts } from "../texts";

export function messageOf(error: Error): string {
  if (error instanceof Unreachable) return texts.errors.unreachable;
  return error instanceof ApiProblem ? error.message : texts.errors.unexpected;
}

export function isMissing(error: Error | undefined): boolean {
  return error instanceof ApiProblem && error.status === 404;
}

export function ErrorNote({ error, again }: { readonly error: Error; readonly again?: () => void }) {
  return (
    <div className="note bad" role="alert">
      <strong>{texts.errors.title}</strong>
      <p>{messageOf(error)}</p>
      {again && (
        <button type="button" onClick={again}>
          {texts.errors.again}
        </button>
      )}
    </div>
  );
}

export class ErrorBoundary extends Component<{ readonly children: ReactNode }, { readonly broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <div className="note bad" role="alert">
        {texts.errors.unexpected}
      </div>
    );
  }
}
